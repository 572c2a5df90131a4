import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Release } from '../release-stack.ts';
import { idleDeadline } from './idle-deadline.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Clock;
  /** Resolves when the session sleeps, or is not to sleep. */
  onIdle(session: AwakeSession): Promise<void>;
}

/** How often deadlines are looked at, in milliseconds; so much later than its deadline a container may stop. */
const PERIOD_MS = 250;

/**
 * Watches the idle deadlines of all awake sessions. A reset is nothing but a newer `activeAt`, which costs a
 * message nothing; one timer for all looks who is past it.
 */
export function watchIdle({ awake, clock, onIdle }: Dependencies): Release {
  /** A full disk may hold up a stop: once for each session is enough. */
  const underWay = new Set<AwakeSession>();
  const timer = setInterval(() => {
    const now = clock.monotonic();
    for (const session of awake.all()) {
      if (session.state !== 'awake' || underWay.has(session)) continue;
      const working =
        session.processing.size > 0 || [...session.open.values()].some((message) => message.wake);
      const deadline = idleDeadline({
        activeAt: session.activeAt,
        stopMs: session.group.idle.stopMs,
        working,
      });
      if (deadline === null || deadline > now) continue;
      underWay.add(session);
      void onIdle(session).finally(() => underWay.delete(session));
    }
  }, PERIOD_MS);
  return () => clearInterval(timer);
}
