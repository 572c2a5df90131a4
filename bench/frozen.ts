import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, round, spread } from './figures.ts';
import { openFloorPair } from './floor-pair.ts';
import { warmUp } from './warm.ts';

const GROUP = 'name: Echo\nagent: { provider: echo }\nidle: { freeze: 100ms, stop: off }\n';
const FLOOR = 'berth-bench-frozen-floor';
/** For how long it stays frozen before the message comes, in milliseconds: past whatever the engine does behind its answer. */
const FROZEN_MS = 50;

/** Frozen round trip: a message for a session whose container is paused, alternating with a paused floor pair. */
export async function frozen({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const floor = await openFloorPair(engine, image, FLOOR);
  const host = await openBenchHost({ engine, image, groups: { echo: GROUP } });
  try {
    const [floors, trips]: [number[], number[]] = [[], []];
    await warmUp(host, 'frozen');
    for (let i = 0; i < 50; i++) await floor.roundTrip();
    const n = Math.max(5, Math.round(100 * scale));
    for (let i = 0; i < n; i++) {
      await engine.pause(FLOOR);
      await isFrozen(host);
      await pause(FROZEN_MS);
      const [ms] = await Promise.all([floor.roundTrip(), engine.unpause(FLOOR)]);
      floors.push(ms);
      trips.push((await host.say('frozen', 'hello')).ms);
    }
    const [mine, theirs] = [spread(trips), spread(floors)];
    return {
      name: 'frozen → reply',
      against: 'the warm floor with its container paused: write and unpause at once, no ledger',
      ...mine,
      floor: theirs,
      targets: [atMost('p50, ms', mine.p50, 25), atMost('p95, ms', mine.p95, 40)],
      details: {
        'p50 / floor': round(mine.p50 / theirs.p50),
        'containers used': host.daemon.host.sessions()[0]?.epoch ?? 0,
      },
    };
  } finally {
    await host.close();
    await floor.close();
  }
}

async function isFrozen(host: BenchHost): Promise<void> {
  while (host.daemon.host.sessions().some(({ state }) => state !== 'frozen')) await pause(10);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
