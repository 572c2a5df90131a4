import { type AwakeSessions, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import { isPaused } from '../engines/is-paused.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
}

/**
 * A container that somebody else paused (`docker pause`): while nobody waits for it, that is as good as a freeze, and the
 * next message thaws it; one that has something to do is made to go on. The engine tells the host's own freezes as well.
 */
export function createHeedPause(deps: Dependencies): (name: string) => Promise<void> {
  return async function heedPause(name) {
    const session = deps.awake.ofContainer(name);
    const isOwn = () => session?.freezing || (session?.state !== 'awake' && session?.state !== 'waking');
    // The word may be late: by now the container may have been frozen and thawed by ourselves.
    if (!session || isOwn() || !(await asked(name)) || isOwn()) return;
    const step = { session: session.id, epoch: session.epoch, now: deps.clock.now() };
    const isIdle = session.state === 'awake' && !isWorking(session);
    if (isIdle && (await deps.writer.run('foundPaused', step))) {
      session.state = 'frozen';
      session.watch?.rest();
      deps.log.warn({ session: session.id }, 'somebody paused the container: it counts as frozen');
      return;
    }
    deps.log.warn({ session: session.id }, 'somebody paused the container while it is needed: made to go on');
    await deps.engine.unpause(name).catch((error: unknown) => {
      deps.log.error({ err: error, session: session.id }, 'a paused container could not be made to go on');
    });
  };

  /** An engine that does not answer tells the pause again when it is back. */
  async function asked(name: string): Promise<boolean> {
    return isPaused(deps.engine, deps.install, name).catch(() => false);
  }
}
