import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { openModelStub } from '../test/fixtures/model-stubs/open-model-stub.ts';
import { openAgentFloor } from './agent-floor.ts';
import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, round, spread } from './figures.ts';

const run = promisify(execFile);

/** Of this machine, for as long as it is measured: an address that nobody else has. */
const ADDRESS = '198.51.100.99';
const KEY = 'sk-ant-bench';
const variables = { ANTHROPIC_BASE_URL: `http://${ADDRESS}`, ANTHROPIC_API_KEY: KEY };

const group = (idle: string, network = `{ allow: [${ADDRESS}] }`) =>
  [
    'name: Claude',
    'agent: { provider: claude }',
    `network: ${network}`,
    `env: ${JSON.stringify(variables)}`,
    `idle: ${idle}`,
    '',
  ].join('\n');

/**
 * Claude against a stub of its API: cold, follow-up and frozen, each alternating with the same call of its SDK without Berth in
 * a container of the same image.
 */
export async function agents({ engine, image, scale }: BenchPlace): Promise<Figure> {
  await run('ip', ['addr', 'replace', `${ADDRESS}/32`, 'dev', 'lo']);
  const stub = await openModelStub({ host: ADDRESS, port: 80 }, { keys: [KEY], models: ['claude'] });
  stub.script(() => ({ text: 'Hello to you.' }));
  const groups = {
    cold: group('{ freeze: off, stop: 1s }'),
    live: group('off'),
    frozen: group('{ freeze: 300ms, stop: off }'),
    // What a follow-up costs without the way out, and without an agent.
    open: group('off', 'internet'),
    echo: 'name: Echo\nagent: { provider: echo }\nidle: off\n',
  };
  const host = await openBenchHost({ engine, image, groups });
  try {
    await host.say('one', 'build the image', 'cold');
    const built = host.daemon.images.standing('cold').current?.image;
    if (!built) throw new Error('there is no image of the group');
    const floor = await openAgentFloor(built, variables);
    const n = Math.max(3, Math.round(20 * scale));
    const [cold, coldFloor]: [number[], number[]] = [[], []];
    for (let i = 0; i < n; i++) {
      await until(host, 'cold', 'asleep');
      coldFloor.push(await floor.cold());
      // A new chat each time: another conversation is not resumed by the floor either.
      cold.push((await host.say(`cold ${i}`, 'hello', 'cold')).ms);
    }
    const [live, frozen, liveFloor]: [number[], number[], number[]] = [[], [], []];
    const [open, echo]: [number[], number[]] = [[], []];
    for (const name of ['live', 'frozen', 'open', 'echo'])
      for (let i = 0; i < 5; i++) await host.say('one', 'warm up', name);
    for (let i = 0; i < 5; i++) await floor.followUp();
    for (let i = 0; i < n * 3; i++) {
      liveFloor.push(await floor.followUp());
      live.push((await host.say('one', 'hello', 'live')).ms);
      open.push((await host.say('one', 'hello', 'open')).ms);
      echo.push((await host.say('one', 'hello', 'echo')).ms);
      await until(host, 'frozen', 'frozen');
      frozen.push((await host.say('one', 'hello', 'frozen')).ms);
    }
    await floor.close();
    return figure({ cold, coldFloor, live, frozen, liveFloor, open, echo });
  } finally {
    await host.close();
    await stub.close();
    await run('ip', ['addr', 'del', `${ADDRESS}/32`, 'dev', 'lo']);
  }
}

type Sample = 'cold' | 'coldFloor' | 'live' | 'frozen' | 'liveFloor' | 'open' | 'echo';

function figure(samples: Record<Sample, number[]>): Figure {
  const [cold, coldFloor] = [spread(samples.cold), spread(samples.coldFloor)];
  const [live, frozen, liveFloor] = [spread(samples.live), spread(samples.frozen), spread(samples.liveFloor)];
  return {
    name: 'claude, cold wake → first reply',
    against:
      'create + start + the same call of the SDK in a container of the same image, straight to the stub',
    ...cold,
    floor: coldFloor,
    targets: [
      atMost('cold: p50 on top, ms', cold.p50 - coldFloor.p50, 400),
      atMost('follow-up: p50 on top, ms', live.p50 - liveFloor.p50, 15),
      atMost('frozen: p50 on top of a follow-up, ms', frozen.p50 - liveFloor.p50, 40),
    ],
    details: {
      'follow-up p50 / p95, ms': `${live.p50} / ${live.p95}`,
      'frozen p50 / p95, ms': `${frozen.p50} / ${frozen.p95}`,
      'follow-up of the floor p50 / p95, ms': `${liveFloor.p50} / ${liveFloor.p95}`,
      'follow-up with `internet`, p50, ms': spread(samples.open).p50,
      'warm round trip with echo, p50, ms': spread(samples.echo).p50,
      'Berth / floor, follow-up': round(live.p50 / liveFloor.p50),
    },
  };
}

async function until(host: BenchHost, name: string, state: string): Promise<void> {
  const sessions = () => host.daemon.host.sessions().filter((one) => one.group === name);
  while (sessions().some((one) => one.state !== state))
    await new Promise((resolve) => setTimeout(resolve, 10));
}
