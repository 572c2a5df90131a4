import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { ContainerExit } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { Bury } from './bury-session.ts';
import { classifyExit } from './classify-death.ts';

interface Dependencies {
  awake: AwakeSessions;
  /** Resolves when no wake of the session is under way. */
  settled(session: string): Promise<void>;
  /** Takes in what stands in the session's file. */
  collect(session: AwakeSession): Promise<unknown>;
  bury: Bury;
}

/** A container ended. Of one that was asked to, or is no session's any more, somebody else takes care. */
export function createReap({
  awake,
  settled,
  collect,
  bury,
}: Dependencies): (exit: ContainerExit) => Promise<void> {
  return async function reap(exit) {
    const session = awake.ofContainer(exit.name);
    if (!session || session.epoch !== exit.epoch) return;
    session.ended.resolve();
    const death = classifyExit(exit);
    if (session.state === 'waking') {
      // Its end may be heard before its first look is seen.
      await collect(session);
      const words = `the container ended before its first look: ${death.words}`;
      session.started.reject(new BerthError('E_CONTAINER_EXITED', words, death));
      // It may have looked, worked and died before the engine answered its start: then it is awake in a moment.
      await settled(session.id);
      if (awake.get(session.id) !== session) return;
    }
    await bury(session, death);
  };
}
