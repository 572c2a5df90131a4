import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { asleep } from './cold.ts';
import { atMost, type Figure, spread } from './figures.ts';

const run = promisify(execFile);
/** An address for documentation (RFC 5737) that is this machine's while the figure is taken. */
const ADDRESS = '203.0.113.77';
/** What it is told is an address; its reply is when the first byte came from there. */
const BOT = `import { readFileSync } from 'node:fs';
const { messages } = JSON.parse(readFileSync(0, 'utf8'));
const { body } = await fetch(messages.at(-1).text);
await body.getReader().read();
console.log(JSON.stringify({ text: String(Date.now()) }));
process.exit(0);
`;

/** From a message to a sleeping session to the first byte that its agent fetched: with an allow-list, and with `internet`. */
export async function firstByte({ engine, image, scale }: BenchPlace): Promise<Figure | undefined> {
  if (process.getuid?.() !== 0) {
    console.log('\nfirst byte fetched: left out, because an address of its own needs root');
    return undefined;
  }
  await run('ip', ['addr', 'replace', `${ADDRESS}/32`, 'dev', 'lo']);
  const server = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, ADDRESS, resolve));
  const { port } = server.address() as AddressInfo;
  const group = (network: string) =>
    ['name: Fetcher', 'agent: { command: [node, /group/bot.mjs] }', 'idle: { freeze: off, stop: 1s }']
      .concat(`network: ${network}`, '')
      .join('\n');
  const host = await openBenchHost({
    engine,
    image,
    groups: { listed: group(`{ allow: ["${ADDRESS}:${port}"] }`), internet: group('internet') },
    workspaces: { listed: { 'bot.mjs': BOT }, internet: { 'bot.mjs': BOT } },
  });
  const fetchFrom = async (folder: 'listed' | 'internet') => {
    await asleep(host);
    const began = Date.now();
    const { event } = await host.say('cold', `http://${ADDRESS}:${port}/`, folder);
    return Number(event.text) - began;
  };
  try {
    const times = { listed: [] as number[], internet: [] as number[] };
    for (const folder of ['listed', 'internet'] as const) await fetchFrom(folder);
    const n = Math.max(3, Math.round(30 * scale));
    for (let i = 0; i < n; i++)
      for (const folder of i % 2 === 0
        ? (['listed', 'internet'] as const)
        : (['internet', 'listed'] as const))
        times[folder].push(await fetchFrom(folder));
    const [listed, internet] = [spread(times.listed), spread(times.internet)];
    return {
      name: 'cold wake to first byte fetched, with an allow-list',
      against: 'the same with network: internet; an HTTP server of this machine',
      ...listed,
      floor: internet,
      targets: [atMost('p50 / p50 with internet', listed.p50 / internet.p50, 1)],
    };
  } finally {
    await host.close();
    server.close();
    await run('ip', ['addr', 'del', `${ADDRESS}/32`, 'dev', 'lo']).catch(() => undefined);
  }
}
