import type { AwakeSession } from '../awake/awake-session.ts';

interface Dependencies {
  stop(session: AwakeSession, reason: 'retired'): Promise<void>;
  onFatal(error: Error): void;
}

/** Ends containers that are no longer what their sessions would be started with: after their turn, and then for what waits anew. */
export function createRetire(deps: Dependencies) {
  function now(session: AwakeSession): void {
    // What came while its turn went on was kept from it: it goes to the next container.
    session.wakeAgain ||= [...session.open.values()].some(({ wake }) => wake);
    void deps.stop(session, 'retired').catch(deps.onFatal);
  }

  return {
    now,
    /** To be asked after each look. */
    ifDone(session: AwakeSession | undefined): void {
      if (session?.retiring && session.state === 'awake' && session.processing.size === 0) now(session);
    },
  };
}
