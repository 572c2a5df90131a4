import { type AwakeSession, type AwakeSessions, enterState, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { SessionState } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  stopGraceMs: number;
  /** The last look, once the container is gone. */
  collect(session: AwakeSession): Promise<unknown>;
  /** The container could not be stopped, and may live on while its session sleeps. */
  onNotStopped(session: AwakeSession): void;
  /** The session sleeps, and nothing of it is left; `again`: a message came too late for the old container. */
  onAsleep(session: AwakeSession, again: boolean): void;
  onFatal(error: Error): void;
}

/** `yield`: another session needs its place; `retired`: an earlier host left it, and its turn is over. */
export type StopReason = 'idle' | 'yield' | 'shutdown' | 'deleted' | 'replaced' | 'retired' | 'broken';

/** What is kept of the grace time for SIGTERM where the runner was asked by its control first; the unit of Docker's own, in milliseconds. */
const AFTER_SIGTERM_MS = 1000;

/**
 * awake or frozen → stopping → asleep. For idleness only if no message has come first, which the ledger decides in the
 * same transaction; for other reasons at once, and what is in hand goes on with the next container.
 */
export function createStop(deps: Dependencies): (session: AwakeSession, reason: StopReason) => Promise<void> {
  return async function stop(session, reason) {
    session.freezing?.callOff();
    await session.freezing?.over;
    const was = await enterStopping(session, reason);
    if (!was) return;
    // A paused process hears no SIGTERM. Where this fails, the grace time passes and it is killed.
    if (was === 'frozen') await deps.engine.unpause(session.container).catch(() => undefined);
    const works = was === 'awake' && isWorking(session, deps.clock.now());
    const graceMs = reason === 'shutdown' && works ? await askToStop(session) : deps.stopGraceMs;
    try {
      await deps.engine.stop(session.container, reason === 'broken' ? 0 : graceMs);
    } catch (error) {
      deps.log.error({ err: error, session: session.id }, 'stopping the container failed');
      deps.onNotStopped(session);
    }
    if (reason !== 'broken') await deps.collect(session);
    await putToSleep(session, reason);
    deps.awake.remove(session);
    deps.log.info({ session: session.id, reason }, 'session asleep');
    deps.onAsleep(session, session.wakeAgain);
  };

  /** @returns the state that it was in; `undefined`: it is not to be stopped, or is being buried. */
  async function enterStopping(session: AwakeSession, reason: StopReason): Promise<SessionState | undefined> {
    const from = session.state;
    if (from !== 'awake' && from !== 'frozen') return undefined;
    const isForced = reason !== 'idle' && reason !== 'yield' && reason !== 'replaced';
    const changed = isForced
      ? await deps.writer.run('forceStop', step(session))
      : await deps.writer.run('beginStop', { ...step(session), from });
    // The row of a deleted session may be gone already; its container must go all the same.
    if (!changed && reason !== 'deleted') return undefined;
    // A thaw, or a pause by somebody else, may have been answered before.
    const was = session.state;
    return enterState(session, 'stopping', 'awake', 'freezing', 'frozen') ? was : undefined;
  }

  /**
   * For one that is in the middle of a turn: a runner that knows nothing but the contract is ended by a SIGTERM, and finishes or gives
   * up its turn when it is asked to `stop`. @returns what is left of the grace time, in milliseconds.
   */
  async function askToStop(session: AwakeSession): Promise<number> {
    const patienceMs = deps.stopGraceMs - AFTER_SIGTERM_MS;
    if (patienceMs <= 0) return deps.stopGraceMs;
    const began = deps.clock.monotonic();
    const isAsked = await deps.writer.run('control', { ...step(session), verb: 'stop' }).catch(() => false);
    if (isAsked) await endOf(session, patienceMs);
    return Math.max(0, deps.stopGraceMs - (deps.clock.monotonic() - began));
  }

  /** Resolves when the session's container has ended, or after `limitMs`. */
  function endOf({ ended }: AwakeSession, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(resolve, limitMs);
      void ended.promise.then(() => {
        clearTimeout(late);
        resolve();
      });
    });
  }

  async function putToSleep(session: AwakeSession, reason: StopReason): Promise<void> {
    try {
      await deps.writer.run('sleep', { ...step(session), from: 'stopping' });
    } catch (error) {
      // Nobody else takes it out of `stopping`, and who writes to it would wait for ever. A host that ends leaves it to the next one.
      if (reason !== 'shutdown') deps.onFatal(error as Error);
      throw error;
    }
  }

  function step(session: AwakeSession) {
    return { session: session.id, epoch: session.epoch, now: deps.clock.now() };
  }
}
