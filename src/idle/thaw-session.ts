import { setTimeout as wait } from 'node:timers/promises';
import { type AwakeSession, enterState } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import { asBerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  clock: Clock;
  log: Logger;
}

const AGAIN_MS = { first: 100, longest: 5_000 };
/** So often an engine may refuse to let a container go on before the container is given up. */
const MOST_REFUSALS = 3;

/**
 * freezing or frozen → awake, for whoever has a message (or anything else) in the session's file. The writer writes
 * while the engine is asked: a parked runner holds no lock, and one that holds a lock all the same lets go of it only
 * when it goes on. Several calls at once are one. Resolves when the container goes on, or is to be ended.
 */
export function createThaw(deps: Dependencies): (session: AwakeSession) => Promise<void> {
  const underWay = new Map<AwakeSession, Promise<void>>();

  return function thaw(session) {
    const running = underWay.get(session);
    if (running) return running;
    const mine = thawNow(session).finally(() => underWay.delete(session));
    underWay.set(session, mine);
    return mine;
  };

  async function thawNow(session: AwakeSession): Promise<void> {
    session.freezing?.callOff();
    await session.freezing?.over;
    if (session.state !== 'frozen') return;
    const began = deps.clock.monotonic();
    session.watch?.resume();
    await unpause(session);
    if (session.state !== 'frozen') return;
    const step = { session: session.id, epoch: session.epoch, now: deps.clock.now() };
    if (await deps.writer.run('change', { ...step, from: 'frozen', to: 'awake' }))
      enterState(session, 'awake', 'frozen');
    deps.log.debug(
      { session: session.id, engineMs: Math.round(deps.clock.monotonic() - began) },
      'session thawed',
    );
  }

  /** Tried again while the session is frozen. A container that the engine will not let go on is killed: the next one answers. */
  async function unpause(session: AwakeSession): Promise<void> {
    let refusals = 0;
    for (
      let delay = AGAIN_MS.first;
      session.state === 'frozen';
      delay = Math.min(delay * 2, AGAIN_MS.longest)
    ) {
      try {
        await deps.engine.unpause(session.container);
        return;
      } catch (error) {
        deps.log.warn({ err: error, session: session.id, againMs: delay }, 'the container cannot be thawed');
        if (asBerthError(error).code === 'E_ENGINE_REFUSED') refusals += 1;
      }
      // It may be gone by now, and the name its successor's.
      if (session.state !== 'frozen') return;
      if (refusals >= MOST_REFUSALS) return deps.engine.remove(session.container).catch(() => undefined);
      await wait(delay, undefined, { ref: false });
    }
  }
}
