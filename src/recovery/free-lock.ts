import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  awake: AwakeSessions;
  engine: Engine;
  log: Logger;
  install: string;
}

/**
 * A container that holds a lock on its `inbound.db` for seconds keeps the host from writing to it (a read-only mount
 * still allows that). One that somebody paused in the middle of a read is made to go on; any other is killed: the message
 * is safe in the ledger, and the next container gets it. Called again and again while the lock is held.
 */
export function createFreeLock({ awake, engine, log, install }: Dependencies) {
  return async function freeLock(id: string, reason: string): Promise<void> {
    const session = awake.get(id);
    if (!session) return;
    const { container } = session;
    try {
      if ((await engine.list(install)).some(({ name, paused }) => name === container && paused)) {
        log.warn({ session: id, reason }, 'a paused container holds a lock on inbound.db: made to go on');
        await engine.unpause(container);
      } else {
        log.error({ session: id, reason }, 'the container holds a lock on inbound.db: killed');
        await engine.remove(container);
      }
    } catch (error) {
      log.error({ err: error, session: id }, 'a container that holds a lock could not be made to let go');
    }
  };
}
