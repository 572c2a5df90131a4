import { PLACES } from '../places.ts';
import type { Room } from '../room.ts';
import { pause } from '../until.ts';

/** How long a container to do something to is waited for, in milliseconds. */
const PATIENCE_MS = 5_000;

/** The container of the session at that place, or of the next place that has one. */
export async function findContainer(
  { engine, tally }: Room,
  place: number,
): Promise<{ id: string; chat: string } | undefined> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const running = (await engine.api.containers().catch(() => [])).filter(
      ({ State }) => State === 'running',
    );
    for (let step = 0; step < PLACES.length; step++) {
      const chat = PLACES[(place + step) % PLACES.length]?.chat ?? '';
      const session = tally.sessionOf(chat);
      const found = running.find(({ Labels }) => session && Labels['berth.session'] === session);
      if (found) return { id: found.Id, chat };
    }
    await pause(100);
  }
  return undefined;
}
