import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { ContainerExit, Engine } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { mayRestart } from './restart-limit.ts';

interface Dependencies {
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  collect(session: AwakeSession): Promise<void>;
  /** Resolves when no wake of the session is under way. */
  settled(session: string): Promise<void>;
  /** When a message that was being worked on is tried again (Unix milliseconds), or `null` for never. */
  crashRetryAt(attempt: number, now: number): number | null;
  onEvents(events: OutboxRow[]): void;
  /** The session sleeps; messages of it may wait until `at`. */
  onAsleep(session: AwakeSession, at: number): void;
  /** It died too often: it is left alone for a while. */
  onGivenUp(session: AwakeSession, error: BerthError): Promise<void>;
}

/**
 * A container that ended without being asked. What it committed is collected; what it was working on is tried again, at
 * most so often; the session sleeps, and wakes again for what waits.
 */
export function createReap(deps: Dependencies): (exit: ContainerExit) => Promise<void> {
  const deaths = new Map<string, number[]>();

  return async function reap(exit) {
    const session = deps.awake.ofContainer(exit.name);
    if (!session || session.epoch !== exit.epoch || session.state === 'stopping') return;
    if (session.state === 'waking') {
      session.started.reject(
        new BerthError('E_CONTAINER_EXITED', `the container ended before its first look: ${describe(exit)}`),
      );
      // It may have looked, worked and died before the engine answered its start: then it is awake in a moment.
      await deps.settled(session.id);
      const then = deps.awake.get(session.id);
      if (then !== session || then.state === 'stopping') return;
    }
    await bury(session, exit);
  };

  async function bury(session: AwakeSession, exit: ContainerExit): Promise<void> {
    session.state = 'stopping';
    session.freezing?.callOff();
    const now = deps.clock.now();
    const reason = `The container died while it worked on this: ${describe(exit)}`;
    deps.log.error({ session: session.id, exit, working: [...session.processing] }, 'container died');
    await deps.collect(session);
    const retryAt = await retryWork(session, reason, now);
    await deps.writer.run('recordError', { session: session.id, code: 'E_TURN_CRASHED', reason, now });
    await deps.writer.run('sleep', { session: session.id, epoch: session.epoch, now });
    await deps.engine.remove(session.container).catch((error: unknown) => {
      deps.log.warn({ err: error, session: session.id }, 'the dead container could not be removed');
    });
    deps.awake.remove(session);
    if (mayRestart(remember(session.id), deps.clock.monotonic())) deps.onAsleep(session, retryAt);
    else
      await deps.onGivenUp(
        session,
        new BerthError('E_CONTAINER_EXITED', `the container died too often: ${describe(exit)}`),
      );
  }

  async function retryWork(session: AwakeSession, reason: string, now: number): Promise<number> {
    const messages = [...session.processing].flatMap((id) => {
      const open = session.open.get(id);
      return open ? [{ id, attempt: open.attempt, dueAt: deps.crashRetryAt(open.attempt, now) }] : [];
    });
    if (messages.length === 0) return now;
    const result = await deps.writer.run('afterCrash', {
      session: session.id,
      code: 'E_TURN_CRASHED',
      reason,
      now,
      messages,
    });
    for (const id of result.ended) session.open.delete(id);
    deps.onEvents(result.events);
    return Math.max(now, ...messages.map(({ dueAt }) => dueAt ?? now));
  }

  function remember(session: string): number[] {
    const now = deps.clock.monotonic();
    const recent = [...(deaths.get(session) ?? []).slice(-9), now];
    deaths.set(session, recent);
    return recent;
  }
}

/** How a container ended, in words. */
function describe(exit: ContainerExit): string {
  if (exit.oomKilled) return 'it ran out of memory (limits.memory)';
  if (exit.signal) return `it was killed by ${exit.signal}`;
  return exit.code === 137 ? 'it was killed (137)' : `it exited with code ${exit.code ?? 'unknown'}`;
}
