import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { SessionState } from '../ledger/rows.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Clock;
  /** Starts a container unless there is one. */
  wake(session: string): Promise<void>;
  /** Makes a paused container go on. */
  thaw(session: AwakeSession): Promise<void>;
  collect(session: AwakeSession): Promise<unknown>;
}

/** A message that is durable. */
interface Message {
  session: string;
  id: string;
  wake: boolean;
  /** The session's in the ledger, as the message found it. */
  state: SessionState;
}

/** Sees to it that a runner looks at a message that has come: at no cost where one is awake. */
export function createRouse(deps: Dependencies): (message: Message) => Promise<void> {
  return async function rouse(message) {
    const session = deps.awake.get(message.session);
    if (session) note(session, message);
    if (!message.wake) return;
    if (session && (message.state === 'freezing' || message.state === 'frozen')) await deps.thaw(session);
    // Too late for this container: it is started again when it is gone.
    else if (session && message.state === 'stopping') session.wakeAgain = true;
    else if (session?.state !== 'awake') await deps.wake(message.session);
  };

  function note(session: AwakeSession, { id, wake }: Message): void {
    session.open.set(id, { id, attempt: 1, wake, dueAt: 0 });
    session.activeAt = deps.clock.monotonic();
    // Its reply is in the ledger already, its claim was not looked for.
    if (session.early.delete(id)) void deps.collect(session);
  }
}
