import { type AwakeSessions, enterState, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
}

/**
 * A container that somebody else paused (`docker pause`): while nobody waits for it, that is as good as a freeze, and the
 * next message thaws it; one that has something to do is made to go on. The engine tells the host's own freezes as well, and
 * tells them late: one that was thawed meanwhile is none the worse for being taken for paused.
 */
export function createHeedPause(deps: Dependencies): (name: string) => Promise<void> {
  return async function heedPause(name) {
    const session = deps.awake.ofContainer(name);
    if (!session || session.freezing || (session.state !== 'awake' && session.state !== 'waking')) return;
    const step = { session: session.id, epoch: session.epoch, now: deps.clock.now() };
    const isIdle = session.state === 'awake' && !isWorking(session);
    if (isIdle && (await deps.writer.run('foundPaused', step))) {
      if (!enterState(session, 'frozen', 'awake')) return;
      session.watch?.rest();
      deps.log.warn({ session: session.id }, 'somebody paused the container: it counts as frozen');
      return;
    }
    deps.log.warn({ session: session.id }, 'somebody paused the container while it is needed: made to go on');
    await deps.engine.unpause(name).catch((error: unknown) => {
      deps.log.error({ err: error, session: session.id }, 'a paused container could not be made to go on');
    });
  };
}
