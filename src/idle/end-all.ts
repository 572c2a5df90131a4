import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  engine: Engine;
  install: string;
  containerOf(session: string): string;
  awake: AwakeSessions;
  log: Logger;
  stop(session: AwakeSession, reason: 'shutdown'): Promise<void>;
}

/** What a host that ends does with its containers: ends them, or leaves them to the next host. */
export function createEndAll({ engine, install, containerOf, awake, log, stop }: Dependencies) {
  return {
    /** One that is stopping already, or whose container has just died, is waited for: its end needs engine and ledger. */
    async stopAll(): Promise<void> {
      const all = awake.all().filter(({ state }) => state !== 'waking');
      const stops = all.map((session) => stop(session, 'shutdown').then(() => session.over.promise));
      for (const { reason } of (await Promise.allSettled(stops)).filter((end) => end.status === 'rejected'))
        log.error({ err: reason }, 'stopping a session failed');
    },

    /** Removes containers that ended while the engine was away, and that nothing has needed since; else the next host does. */
    async sweepDead(): Promise<void> {
      try {
        const dead = (await engine.list(install)).filter(({ running }) => !running);
        await Promise.all(dead.map(({ name }) => engine.remove(name)));
        await engine.sweep(install, containerOf(''));
      } catch (error) {
        log.warn({ err: error }, 'what containers are left could not be seen or removed');
      }
    },

    /** The containers go on without a host; those that are ending already are waited for. */
    async leaveAll(): Promise<void> {
      const ending = awake.all().filter(({ state }) => state === 'stopping');
      await Promise.all(ending.map(({ over }) => over.promise));
    },
  };
}
