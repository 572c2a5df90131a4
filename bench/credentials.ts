import { openFakeOneCli } from '../test/fixtures/fake-onecli.ts';
import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';

const GROUP =
  'name: Echo\nagent: { provider: echo }\nidle: { freeze: off, stop: 1s }\nnetwork: { allow: [api.example.com] }\n';

/** Cold wakes of two groups that differ in nothing but `credentials: onecli`, in turn; the gateway is in this process. */
export async function credentials({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const gateway = await openFakeOneCli();
  const host = await openBenchHost({
    engine,
    image,
    groups: { echo: GROUP, gated: `${GROUP}credentials: onecli\n` },
    env: { ONECLI_URL: gateway.url, ONECLI_API_KEY: gateway.apiKey },
  });
  try {
    const [without, through]: [number[], number[]] = [[], []];
    for (const group of ['echo', 'gated']) await host.say('credentials', 'first', group);
    // A wake varies by some 30 ms: fewer could not tell a difference of 10.
    const n = Math.max(3, Math.round(100 * scale));
    for (let i = 0; i < n; i++) {
      // Each goes first as often as the other.
      const order = i % 2 === 0 ? ['echo', 'gated'] : ['gated', 'echo'];
      for (const group of order) {
        await asleep(host);
        const { ms } = await host.say('credentials', 'hello', group);
        (group === 'echo' ? without : through).push(ms);
      }
    }
    const [mine, theirs] = [spread(through), spread(without)];
    return {
      name: 'wake with OneCLI, remembered',
      against: 'the same wake without credentials: same image, limits, allow-list',
      ...mine,
      floor: theirs,
      targets: [atMost('p50 − floor p50, ms', mine.p50 - theirs.p50, 10)],
      details: { 'questions to the gateway': gateway.asked.length },
    };
  } finally {
    await host.close();
    await gateway.close();
  }
}

async function asleep(host: BenchHost): Promise<void> {
  while (host.daemon.host.sessions().some(({ state }) => state !== 'asleep')) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
