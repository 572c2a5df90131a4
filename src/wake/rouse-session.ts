import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { SessionState } from '../ledger/rows.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  awake: AwakeSessions;
  clock: Clock;
  /** Starts a container unless there is one. */
  wake(session: string): Promise<void>;
  /** Makes a paused container go on. */
  thaw(session: AwakeSession): Promise<void>;
}

/** Sees to it that a runner looks at what lies in a session's file: at no cost where one is awake. */
export function createRouse({ writer, awake, clock, wake, thaw }: Dependencies) {
  return {
    /** A message is durable. @param found the session's state in the ledger when it came. */
    async afterMessage(id: string, found: SessionState): Promise<void> {
      const session = awake.get(id);
      if (session && isCold(found)) await thaw(session);
      // Too late for this container: it is started again when it is gone.
      else if (session && found === 'stopping') session.wakeAgain = true;
      else if (session?.state !== 'awake') await wake(id);
    },

    /** A retry is due, or a start that failed is to be tried again. */
    async revisit(id: string): Promise<void> {
      const session = awake.get(id);
      if (!session || (session.state !== 'awake' && !isCold(session.state))) return wake(id);
      const found = await writer.run('putDue', { session: id, now: clock.now() });
      if (found && isCold(found)) await thaw(session);
    },
  };
}

function isCold(state: SessionState): boolean {
  return state === 'freezing' || state === 'frozen';
}
