import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { countDurableCommits } from './durable-commits.ts';
import { atMost, type Figure, spread } from './figures.ts';
import { openFloorPair } from './floor-pair.ts';

const BATCH = 50;

/** Warm round trip: message handed to the channel → reply handed to the channel, one at a time, alternating with the floor. */
export async function warm({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const floor = await openFloorPair(engine, image, 'berth-bench-floor');
  const host = await openBenchHost({ engine, image, groups: { echo: ECHO } });
  try {
    const [floors, trips]: [number[], number[]] = [[], []];
    await warmUp(host, 'warm');
    for (let i = 0; i < BATCH; i++) await floor.roundTrip();
    const batches = Math.max(1, Math.round((2000 / BATCH) * scale));
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < BATCH; i++) floors.push(await floor.roundTrip());
      for (let i = 0; i < BATCH; i++) trips.push((await host.say('warm', 'hello')).ms);
    }
    const commits = await countDurableCommits(host, 'warm');
    const [mine, theirs] = [spread(trips), spread(floors)];
    return {
      name: 'warm round trip',
      against: 'two files, echoed by a container, FULL on both sides, claim and reply commits, no ledger',
      ...mine,
      floor: theirs,
      targets: [
        atMost('p50 / floor', mine.p50 / theirs.p50, 1.5),
        atMost('p99 / p50', mine.p99 / mine.p50, 5),
      ],
      details: {
        'durable commits per message, host.db (accept, outbox)': commits.ledger,
        'durable commits per message, inbound.db': commits.inbound,
        'durable commits per message, outbound.db (claim, reply)': commits.outbound,
      },
    };
  } finally {
    await host.close();
    await floor.close();
  }
}

export const ECHO = 'name: Echo\nagent: { provider: echo }\n';

/** Lets both sides' just-in-time compilers do their work. */
export async function warmUp(host: BenchHost, chat: string): Promise<void> {
  for (let i = 0; i < BATCH * 2; i++) await host.say(chat, 'warm up');
}
