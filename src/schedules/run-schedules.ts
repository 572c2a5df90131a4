import { setImmediate as breath } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { asBerthError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { SessionState } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import { nextRun } from '../next-run.ts';
import type { Release } from '../release-stack.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  reads: LedgerReads;
  writer: Writer;
  clock: Clock;
  log: Logger;
  /** A task is durable in the inbox. */
  onTask(task: { session: string; id: string; wake: boolean; at: number; state: SessionState }): void;
  onFatal(error: Error): void;
}

/** A task that is later than this was missed: the host was not there. In milliseconds. */
const MISSED_MS = 60_000;
/** The rows are looked at so often whatever the timer says: clocks are set, machines sleep. In milliseconds. */
const LONGEST_WAIT_MS = 30_000;
/** Taken at once, in order. */
const PAGE = 100;
/** How soon is looked again after a full disk refused a task, in milliseconds. */
const ROOM_AGAIN_MS = 5_000;
/** When a schedule is tried again that could not be carried out, in milliseconds. */
const BROKEN_AGAIN_MS = 60 * 60_000;

type Due = ReturnType<LedgerReads['dueSchedules']>[number];

/**
 * Makes tasks of schedules that come due. The rows say what is due; the timer only hastens the look at them. What came due
 * while no host ran becomes one task at the next start, or none (`missed`), however often it was missed.
 */
export function createScheduler(deps: Dependencies) {
  const { reads, writer, clock, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let begun = false;
  let again = false;
  let closed = false;
  /** The clock may have been set back since the next times of cron lines were found: by a host before this one, too. */
  let ahead = true;

  /** Looks at the rows now; it may be called at any time. */
  function look(): void {
    begun = true;
    again = true;
    looking ??= lookUntilDone()
      .then(() => 0, putOff)
      .then((leastMs) => {
        looking = undefined;
        plan(leastMs);
      });
  }

  /**
   * A full disk is no reason to end: the rows stay due. They are looked at anew instead of waiting in the writer, because a
   * task that was held up for long may have been missed by then. @returns the least pause before the next look.
   */
  function putOff(error: unknown): number {
    const { code, message } = asBerthError(error);
    if (code === 'E_DISK_FULL') log.warn({ code }, `a schedule is due and waits for room: ${message}`);
    else deps.onFatal(error as Error);
    return ROOM_AGAIN_MS;
  }

  async function lookUntilDone(): Promise<void> {
    while (again && !closed) {
      again = false;
      if (ahead) await drawNear();
      const now = clock.now();
      const due = reads.dueSchedules(now, PAGE);
      for (const schedule of due)
        await fire(schedule, now).catch((error: unknown) => putAside(schedule, now, error));
      again ||= due.length === PAGE;
    }
  }

  /**
   * No cron line comes due later than what follows from the clock as it is: one that was ahead would keep it silent until it is
   * so late again. What is planned for one time keeps that.
   */
  async function drawNear(): Promise<void> {
    ahead = false;
    const now = clock.now();
    try {
      for (const [index, { id, cron, timezone, dueAt }] of reads.cronSchedules(now).entries()) {
        if (index % PAGE === PAGE - 1) await breath();
        const next = nextTime(id, cron, timezone, now);
        if (next === null || next >= dueAt) continue;
        await writer.run('fireSchedule', { id, dueAt, next, skip: true, now });
        log.info({ schedule: id, dueAt, next }, 'the clock was set back: a schedule comes due sooner');
      }
    } catch (error) {
      ahead = true;
      throw error;
    }
  }

  /** What is wrong with one schedule is no matter of the others. @throws what the ledger says, where not even that can be noted in it. */
  async function putAside({ id, dueAt }: Due, now: number, error: unknown): Promise<void> {
    const { code } = asBerthError(error);
    if (code === 'E_DISK_FULL') throw error;
    await writer.run('fireSchedule', { id, dueAt, next: now + BROKEN_AGAIN_MS, skip: true, now });
    log.error(
      { err: error, code, schedule: id },
      'a schedule could not be carried out: tried again in an hour',
    );
  }

  async function fire(schedule: Due, now: number): Promise<void> {
    const { id, cron, timezone, missed, dueAt } = schedule;
    const isMissed = now - dueAt > MISSED_MS;
    const next = cron === null ? null : nextTime(id, cron, timezone, now);
    const skip = isMissed && missed === 'skip';
    const task = await writer.run('fireSchedule', { id, dueAt, next, skip, now });
    log.info(
      { schedule: id, session: task?.session, dueAt, isMissed, made: task !== undefined },
      'schedule due',
    );
    if (!task) return;
    const { session, message, state } = task;
    deps.onTask({ session, id: message, wake: true, at: now, state });
  }

  /** One that was fine when it was made, and is no more (a time zone that was given up), has no next time. */
  function nextTime(id: string, cron: string, timezone: string, now: number): number | null {
    try {
      return nextRun(cron, timezone, now);
    } catch (error) {
      log.error({ err: error, schedule: id }, 'a schedule has no next time');
      return null;
    }
  }

  function plan(leastMs: number): void {
    clearTimeout(timer);
    if (closed) return;
    const at = reads.nextScheduleAt();
    if (at === null) return;
    timer = setTimeout(look, Math.min(Math.max(at - clock.now(), leastMs), LONGEST_WAIT_MS));
  }

  return {
    look,
    /** The clock was set back. */
    turnedBack(): void {
      ahead = true;
      if (begun) look();
    },
    close: (async () => {
      closed = true;
      clearTimeout(timer);
      await looking;
    }) satisfies Release,
  };
}
