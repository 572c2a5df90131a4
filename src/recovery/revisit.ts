import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { SessionState } from '../ledger/rows.ts';
import type { Release } from '../release-stack.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  clock: Clock;
  awake: AwakeSessions;
  writer: Writer;
  wake(session: string): void;
  /** Makes a paused container go on. */
  thaw(session: AwakeSession): Promise<void>;
  /** What is due could not be put in. */
  onFatal(error: Error): void;
}

/** What is put in is found by a runner that is there, if need be after a thaw. */
const HAS_RUNNER: ReadonlySet<SessionState> = new Set(['awake', 'freezing', 'frozen'] as const);
/** The longest that a timer of Node can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Sessions that are to be looked at again at a certain time: a retry that comes due, a failed start. One timer each, for the
 * earliest; whoever wakes or looks asks for the next.
 */
export function createRevisits({ clock, awake, writer, wake, thaw, onFatal }: Dependencies) {
  const timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  let closed = false;

  /** @param at Unix milliseconds; an earlier appointment of the session stays. */
  function lookAt(session: string, at: number): void {
    const known = timers.get(session);
    if (closed || (known && known.at <= at)) return;
    clearTimeout(known?.timer);
    const delay = Math.min(Math.max(at - clock.now(), 0), LONGEST_TIMER_MS);
    const timer = setTimeout(() => {
      timers.delete(session);
      // Timers fire up to a millisecond early (and the longest is too short): before its time nothing is due.
      if (clock.now() < at) lookAt(session, at);
      else look(session);
    }, delay);
    timers.set(session, { at, timer });
  }

  function look(id: string): void {
    const session = awake.get(id);
    if (!session || !HAS_RUNNER.has(session.state)) {
      wake(id);
      return;
    }
    const now = clock.now();
    void putDue(session, now).catch(onFatal);
    awaitRetries(session, now);
  }

  async function putDue(session: AwakeSession, now: number): Promise<void> {
    const found = await writer.run('putDue', { session: session.id, now });
    if (found === 'freezing' || found === 'frozen') await thaw(session);
  }

  /** Asks for a look at the session's retries that were not due at `after`; without it at all of them. */
  function awaitRetries(session: AwakeSession, after = 0): void {
    for (const { attempt, dueAt } of session.open.values())
      if (attempt > 1 && dueAt > after) lookAt(session.id, dueAt);
  }

  return {
    at: lookAt,
    awaitRetries,
    /** The clock was set back: all appointments, made by the clock as it was, are earlier by so much. */
    turnBack(byMs: number): void {
      for (const [session, { at }] of [...timers]) lookAt(session, at - byMs);
    },
    releaseAll: (() => {
      closed = true;
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    }) satisfies Release,
  };
}
