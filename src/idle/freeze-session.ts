import { type AwakeSession, enterState } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { awaitParkWord, type Word } from './park-word.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  clock: Clock;
  log: Logger;
  /** Undoes a pause. */
  thaw(session: AwakeSession): Promise<void>;
}

/** How long the runner may take to say that it is parked, in milliseconds: the contract's. */
const PARK_LIMIT_MS = 5000;
/** After a try that came to nothing, the pause before the next: at least `idle.freeze`, and each time twice as long. */
const AGAIN_MS = { least: 10_000, most: 30 * 60_000 };

/**
 * awake → freezing → frozen. The runner is asked to park, and the container is paused only on its word: one that was paused
 * while it reads would keep the host from writing to it. Whatever comes for the session meanwhile has taken the park
 * back in the ledger, in the transaction that made it durable; so it is the ledger that says whether to go on.
 */
export function createFreeze(deps: Dependencies): (session: AwakeSession) => Promise<void> {
  /** Tries that came to nothing since the last one that did not. */
  const failures = new WeakMap<AwakeSession, number>();

  return async function freeze(session) {
    if (session.state !== 'awake' || session.freezing) return;
    const { hear, callOff, word } = awaitParkWord(session.epoch);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    session.freezing = { hear, callOff, over };
    let paused: boolean | undefined;
    try {
      paused = await tryFreeze(session, word);
    } finally {
      session.freezing = undefined;
      resolve();
    }
    if (paused === false) await deps.thaw(session);
  };

  /** @returns whether the engine has paused; `undefined`: it was not asked to. */
  async function tryFreeze(
    session: AwakeSession,
    word: (seq: number, limitMs: number) => Promise<Word>,
  ): Promise<boolean | undefined> {
    const park = await deps.writer.run('beginFreeze', step(session)).catch((error: Error) => {
      notSoon(session, `not frozen: ${error.message}`);
    });
    if (park === undefined || !enterState(session, 'freezing', 'awake')) return undefined;
    const said = await word(park, PARK_LIMIT_MS);
    if (said === 'parked' && (await deps.writer.run('beginPause', step(session))))
      return enterState(session, 'frozen', 'freezing') ? pause(session) : undefined;
    await stayAwake(session, said);
    return undefined;
  }

  async function stayAwake(session: AwakeSession, said: Word): Promise<void> {
    // Changes nothing where a message, a stop or a death was first.
    await deps.writer.run('endFreeze', step(session));
    enterState(session, 'awake', 'freezing');
    if (said === 'silent')
      notSoon(session, 'not frozen: the runner does not park, or a program of its agent still runs');
  }

  async function pause(session: AwakeSession): Promise<boolean> {
    let error: unknown;
    try {
      await deps.engine.pause(session.container);
    } catch (cause) {
      error = cause;
    }
    await deps.writer.run('paused', { session: session.id });
    if (error === undefined) {
      session.watch?.rest();
      failures.delete(session);
      deps.log.debug({ session: session.id }, 'session frozen');
      return true;
    }
    notSoon(session, `not frozen: ${(error as Error).message}`);
    return false;
  }

  function notSoon(session: AwakeSession, why: string): void {
    const before = failures.get(session) ?? 0;
    failures.set(session, before + 1);
    const first = Math.max(session.group.idle.freezeMs ?? 0, AGAIN_MS.least);
    const againMs = Math.min(first * 2 ** before, Math.max(first, AGAIN_MS.most));
    session.freezeFrom = deps.clock.monotonic() + againMs;
    deps.log.info({ session: session.id, againMs }, why);
  }

  function step(session: AwakeSession) {
    return { session: session.id, epoch: session.epoch, now: deps.clock.now() };
  }
}
