import type { AwakeSession, AwakeSessions, CollectableSession } from '../awake/awake-session.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  awake: AwakeSessions;
  log: Logger;
  collect(session: CollectableSession): Promise<unknown>;
  quarantine(session: AwakeSession, error: unknown): void;
}

/** How soon a look is tried again that failed for a reason of the host's own, in milliseconds. */
const AGAIN_MS = 1000;

/** What follows from a look that failed: by what the container wrote, or by the host's own trouble. */
export function createFailedLook({ awake, log, collect, quarantine }: Dependencies) {
  return {
    onInvalid(session: CollectableSession, error: unknown): void {
      const live = awake.get(session.id);
      if (live && live === session) quarantine(live, error);
      else log.error({ err: error, session: session.id }, 'what an earlier container left cannot be read');
    },

    onTrouble({ id }: CollectableSession, error: unknown): void {
      log.error({ err: error, session: id }, 'what a container wrote could not be taken into the ledger');
      const again = setTimeout(() => {
        const session = awake.get(id);
        if (session) void collect(session);
      }, AGAIN_MS);
      again.unref();
    },
  };
}
