import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atLeast, type Figure, round, spread } from './figures.ts';
import { openFloorPair } from './floor-pair.ts';
import { ECHO } from './warm.ts';

const SESSIONS = 16;
const SLICES = 3;

/** Sixteen sessions in a closed loop: each sends its next message when it has the reply. Alternating with sixteen floor pairs. */
export async function many({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const names = Array.from({ length: SESSIONS }, (_, index) => `many-${index}`);
  const pairs = await Promise.all(names.map((name) => openFloorPair(engine, image, `berth-bench-${name}`)));
  const host = await openBenchHost({ engine, image, groups: { echo: ECHO } });
  try {
    await Promise.all(names.map((chat) => host.say(chat, 'first')));
    const sliceMs = Math.max(1000, (30_000 / SLICES) * scale);
    const [floors, trips]: [number[], number[]] = [[], []];
    let [floorMs, tripMs] = [0, 0];
    for (let slice = 0; slice < SLICES; slice++) {
      floorMs += await closedLoop(
        pairs.map((pair) => () => pair.roundTrip()),
        sliceMs,
        floors,
      );
      tripMs += await closedLoop(
        names.map((chat) => async () => (await host.say(chat, 'hello')).ms),
        sliceMs,
        trips,
      );
    }
    const [rate, floorRate] = [trips.length / (tripMs / 1000), floors.length / (floorMs / 1000)];
    return {
      name: 'many: 16 sessions, closed loop',
      against: 'the warm floor with 16 pairs',
      ...spread(trips),
      floor: spread(floors),
      targets: [atLeast('rate / floor', rate / floorRate, 0.6), atLeast('replies per second', rate, 500)],
      details: { 'replies per second': round(rate), 'floor, replies per second': round(floorRate) },
    };
  } finally {
    await host.close();
    await Promise.all(pairs.map((pair) => pair.close()));
  }
}

/** @returns for how long it ran, in milliseconds. */
async function closedLoop(trips: (() => Promise<number>)[], ms: number, sample: number[]): Promise<number> {
  const began = performance.now();
  await Promise.all(
    trips.map(async (trip) => {
      while (performance.now() - began < ms) sample.push(await trip());
    }),
  );
  return performance.now() - began;
}
