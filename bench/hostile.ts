import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, round, type Spread, spread } from './figures.ts';
import { ECHO, warmUp } from './warm.ts';

const TRIPS = 400;
/** Without the one that is paused by hand, and those that fill whatever disk they are on. */
const LEFT_OUT = ['lockInboundPaused', 'fillsDisk', 'greedyHome', 'greedyGroup'];
const CHAT = 'hostile';
const GOOD = 'good';

/**
 * Warm round trip of one session while another one, in a group of its own, is hostile: in each of the ways that `test/hostile`
 * knows, each beside as many round trips without it.
 */
export async function hostile({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const { ways, files } = await readRunners();
  const groups = Object.fromEntries(
    ways.map((way) => [folderOf(way), `name: ${way}\nrunner: [node, /group/evil.mjs, ${way}]\n`]),
  );
  const workspaces = Object.fromEntries(ways.map((way) => [folderOf(way), files]));
  const host = await openBenchHost({ engine, image, groups: { echo: ECHO, ...groups }, workspaces });
  const trips = Math.max(40, Math.round(TRIPS * scale));
  try {
    await warmUp(host, GOOD);
    const args = await argumentsFor(host);
    const results: { way: string; before: number[]; beside: number[] }[] = [];
    for (const way of ways) {
      const before = await talk(host, trips);
      const address = { channel: 'bench', group: folderOf(way), chat: CHAT };
      await host.daemon.host.accept({ ...address, text: args });
      const beside = await talk(host, trips);
      await host.daemon.host.deleteChat(address);
      results.push({ way, before, beside });
    }
    return toFigure(results);
  } finally {
    await host.close();
  }
}

function toFigure(results: { way: string; before: number[]; beside: number[] }[]): Figure {
  const without = spread(results.flatMap(({ before }) => before));
  const beside = spread(results.flatMap((result) => result.beside));
  const each = results.map((result): [string, Spread] => [result.way, spread(result.beside)]);
  const worst = each.toSorted(([, one], [, other]) => other.p99 - one.p99)[0];
  if (!worst) throw new Error('nobody was hostile');
  return {
    name: 'warm round trip while another session is hostile',
    against: 'the same session without a hostile one, before each',
    ...beside,
    floor: without,
    targets: [
      atMost(`p99 / p99 without, the worst way (${worst[0]})`, worst[1].p99 / without.p99, 2),
      atMost('p99 / p99 without, all ways together', beside.p99 / without.p99, 2),
    ],
    details: Object.fromEntries(
      each.map(([way, { p50, p99 }]) => [way, `p50 ${p50}  p99 ${p99}  (× ${round(p99 / without.p99)})`]),
    ),
  };
}

async function talk(host: BenchHost, trips: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < trips; i++) times.push((await host.say(GOOD, 'hello')).ms);
  return times;
}

/** What an attack may want to know: where another session's files lie, and what was said in it. */
async function argumentsFor(host: BenchHost): Promise<string> {
  const { message, session } = await host.daemon.host.accept({
    channel: 'bench',
    group: 'echo',
    chat: GOOD,
    text: 'hello',
  });
  const { out, outbound } = sessionFolders(host.dataDir, 'echo', session);
  return JSON.stringify({
    canary: join(host.dataDir, 'host.db'),
    goodOut: out,
    goodOutbound: outbound,
    goodMessage: message,
    goodChat: GOOD,
  });
}

async function readRunners(): Promise<{ ways: string[]; files: Record<string, string> }> {
  const folder = join(import.meta.dirname, '../test/hostile/runners');
  const files: Record<string, string> = {};
  for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name), 'utf8');
  const ways = Object.entries(files)
    .filter(([name]) => name.startsWith('evil-'))
    .flatMap(([, text]) =>
      [...text.matchAll(/^export (?:const|function) (\w+)/gm)].map(([, way = '']) => way),
    )
    .filter((way) => !LEFT_OUT.includes(way));
  return { ways, files };
}

function folderOf(way: string): string {
  return way.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
