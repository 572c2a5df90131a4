import { type AwakeSession, type AwakeSessions, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Release } from '../release-stack.ts';
import { idleDeadline } from './idle-deadline.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Clock;
  reads: Pick<LedgerReads, 'isDue'>;
  /** Where it cannot pause, `idle.freeze` means nothing. */
  engine: Pick<Engine, 'canPause'>;
  /** Resolves when it is done, or is not to be done. */
  onIdle(session: AwakeSession, does: 'freeze' | 'stop' | 'replace'): Promise<void>;
}

/** How often deadlines are looked at, in milliseconds; so much later than its deadline a container may freeze or stop. */
const PERIOD_MS = 250;

/**
 * Watches the idle deadlines of all sessions that have a container. A reset is nothing but a newer `activeAt`, which
 * costs a message nothing; one timer for all looks who is past it.
 */
export function watchIdle({ awake, clock, reads, engine, onIdle }: Dependencies): Release {
  /** A full disk may hold up a stop: once for each session is enough. */
  const underWay = new Set<AwakeSession>();
  const timer = setInterval(() => {
    const now = clock.monotonic();
    for (const session of awake.all()) {
      const { state, group, activeAt, freezeFrom } = session;
      if ((state !== 'awake' && state !== 'frozen') || session.freezing || underWay.has(session)) continue;
      const next = idleDeadline({
        state,
        activeAt,
        freezeMs: engine.canPause ? group.idle.freezeMs : null,
        stopMs: group.idle.stopMs,
        freezeFrom,
        // One that waits for the time of a retry is idle: it is woken again when that has come.
        working: isWorking(session, clock.now(), reads.isDue),
        outdated: session.outdated,
      });
      if (next === null || next.at > now) continue;
      underWay.add(session);
      void onIdle(session, next.does).finally(() => underWay.delete(session));
    }
  }, PERIOD_MS);
  return () => clearInterval(timer);
}
