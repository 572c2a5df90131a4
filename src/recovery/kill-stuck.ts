import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  awake: AwakeSessions;
  engine: Engine;
  log: Logger;
}

/**
 * A container that holds a lock on its `inbound.db` for seconds keeps the host from writing to it (a read-only mount
 * still allows that). It is killed; the message is safe in the ledger, and the next container gets it.
 */
export function createKillStuck({ awake, engine, log }: Dependencies) {
  return async function killStuck(id: string, reason: string): Promise<void> {
    const session = awake.get(id);
    if (!session) return;
    log.error({ session: id, reason }, 'the container holds a lock on inbound.db: killed');
    await engine.remove(session.container).catch((error: unknown) => {
      log.error({ err: error, session: id }, 'a container that holds a lock could not be killed');
    });
  };
}
