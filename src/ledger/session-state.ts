import type Database from 'better-sqlite3';
import { SOME_DUE } from './due-messages.ts';
import type { Cursor, SessionState, WaitingMessage } from './rows.ts';

/*
 * The states of a session. The row is the lock: every change is `UPDATE … WHERE state = ? AND epoch = ?`, and who
 * finds no row to change has lost the race and looks again.
 *
 *   asleep    no container. Left for `waking` by whoever has a message for it, with a new epoch; for `failed` when its
 *             containers died too often or could not even be prepared.
 *   waking    an epoch is taken, a container is being started. Left for `awake` when its runner has written that
 *             epoch into `outbound.db`, for `failed` when the start fails, for `asleep` when the image with the packages of
 *             its provider is gone and has to be waited for.
 *   awake     a runner looks at `inbound.db`. Left for `stopping` when nobody has talked for a while and nothing
 *             waits (checked in the same transaction, so that a message cannot slip in between), for `freezing`
 *             likewise and sooner, and for `asleep` when the container dies.
 *   freezing  a `park` stands in `inbound.db`, and the host writes nothing else there. Back to `awake` in the very
 *             transaction that has something to write (its file gets the row and an `unpark` in one), or when the
 *             runner does not say within 5 s that it is parked; on to `frozen` when it has said so.
 *   frozen    the container is paused, or just being paused: until the engine says so, what is to be written is kept
 *             back. An idle container that somebody else paused counts as frozen too. Left for `awake` when it goes on
 *             (a message, a retry that is due, a pause that failed), for `stopping` after a longer while.
 *   stopping  the container was asked to end. Left for `asleep` when it is gone and its last rows are collected.
 *
 * From `awake`, `freezing` and `frozen` alike a container that dies leads to `asleep`, and a host that has to end it
 * (shutdown, a chat that is deleted) to `stopping`.
 *
 *   failed    a start failed, or its containers died too often: the reason and the time of the next try stand in the
 *             row. Left for `waking` by that time; by a new message too, unless they died too often.
 *
 * A host that dies leaves any of them behind. The next one adopts the containers that still are as they should be: whatever
 * the state was, it is `awake` then (or still `frozen`), at the same epoch (`adopt`). What else is neither `asleep` nor
 * `failed` is put to `asleep` once its container is gone (`recover`).
 */

export interface WakeTicket {
  epoch: number;
  cursor: Cursor;
  waiting: WaitingMessage[];
}

/** A session that was not asleep when its host died, and has no container any more. */
export interface LeftSession {
  id: string;
  group: string;
  state: SessionState;
}

/** See `Troubles` in `recovery/restart-limit.ts`. */
interface KeptTroubles {
  times: readonly number[];
  failures: number;
  quietSince: number | null;
}

/** The states that only a living host leaves. */
const LEFT = "state NOT IN ('asleep', 'failed')";

/** The commands that change a session's state; each returns `undefined` or `false` when the state was another. */
export function prepareSessionState(db: Database.Database) {
  const leave = db.prepare(
    `UPDATE sessions SET state = @to, since = @now WHERE id = @session AND state = @from
       AND (SELECT epoch FROM leases WHERE session = @session) = @epoch`,
  );
  const beginWake = db.prepare(
    `UPDATE sessions SET state = 'waking', since = @now,
       quiet_since = CASE WHEN state = 'failed' THEN @now ELSE quiet_since END
     WHERE id = @session AND state IN ('asleep', 'failed')`,
  );
  const takeLease = db.prepare<[{ session: string; holder: string; now: number }], { epoch: number }>(
    `UPDATE leases SET epoch = epoch + 1, holder = @holder, taken_at = @now WHERE session = @session RETURNING epoch`,
  );
  const cursorOf = db.prepare<[string], Cursor>(
    'SELECT cursor_file AS file, cursor_seq AS seq, cursor_usage AS usage, cursor_epoch AS epoch FROM sessions WHERE id = ?',
  );
  const conversationOf = db.prepare<[string], { conversation: number }>(
    'SELECT conversation FROM sessions WHERE id = ?',
  );
  const waitingOf = db.prepare<[string], { id: string; attempt: number; wake: number; dueAt: number }>(
    "SELECT id, attempt, wake, due_at AS dueAt FROM inbox WHERE session = ? AND status = 'waiting' ORDER BY seq",
  );
  const leaveIdle = db.prepare(
    `UPDATE sessions SET state = @to, since = @now WHERE id = @session AND state = @from
       AND (SELECT epoch FROM leases WHERE session = @session) = @epoch
       AND NOT EXISTS (${SOME_DUE})`,
  );
  const leaveLiving = db.prepare(
    `UPDATE sessions SET state = @to, since = @now WHERE id = @session AND state IN ('awake', 'freezing', 'frozen')
       AND (SELECT epoch FROM leases WHERE session = @session) = @epoch`,
  );
  const stateOf = db.prepare<[string], { state: SessionState }>('SELECT state FROM sessions WHERE id = ?');
  const takeBack = db.prepare(
    "UPDATE sessions SET state = 'awake', since = ? WHERE id = ? AND state = 'freezing'",
  );
  const started = db.prepare(
    `UPDATE sessions SET failures = CASE WHEN troubles = '[]' THEN 0 ELSE failures END, retry_at = NULL, error_code = NULL, error_reason = NULL, error_at = NULL
     WHERE id = ? AND (failures > 0 OR error_code IS NOT NULL)`,
  );
  const recordError = db.prepare(
    'UPDATE sessions SET error_code = @code, error_reason = @reason, error_at = @now WHERE id = @session',
  );
  const scheduleRetry = db.prepare('UPDATE sessions SET failures = failures + 1, retry_at = ? WHERE id = ?');
  const recordTrouble = db.prepare(
    'UPDATE sessions SET troubles = @times, failures = @failures, quiet_since = @quietSince WHERE id = @session',
  );
  const forgetTroubles = db.prepare(
    `UPDATE sessions SET troubles = '[]', failures = 0, quiet_since = NULL,
       retry_at = CASE WHEN state = 'failed' THEN @now END WHERE id = @session`,
  );
  const adopt = db.prepare(
    `UPDATE sessions SET state = @to, since = CASE WHEN state = @to THEN since ELSE @now END
     WHERE id = @session AND ${LEFT} AND (SELECT epoch FROM leases WHERE session = @session) = @epoch`,
  );
  const left = db.prepare<[{ adopted: string }], LeftSession>(
    `SELECT id, group_folder AS "group", state FROM sessions
     WHERE ${LEFT} AND id NOT IN (SELECT value FROM json_each(@adopted))`,
  );
  const putToSleep = db.prepare(
    `UPDATE sessions SET state = 'asleep', since = @now
     WHERE ${LEFT} AND id NOT IN (SELECT value FROM json_each(@adopted))`,
  );

  interface Step {
    session: string;
    epoch: number;
    now: number;
  }

  return {
    waiting: (session: string): WaitingMessage[] =>
      waitingOf.all(session).map((row) => ({ ...row, wake: row.wake === 1 })),

    cursor: (session: string): Cursor => cursorOf.get(session) ?? { file: null, seq: 0, usage: 0, epoch: 0 },

    conversation: (session: string): number => conversationOf.get(session)?.conversation ?? 0,

    /** asleep or failed → waking, with an epoch above every earlier one. */
    beginWake(args: { session: string; holder: string; now: number }): WakeTicket | undefined {
      if (beginWake.run(args).changes === 0) return undefined;
      const lease = takeLease.get(args);
      if (!lease) throw new Error(`session ${args.session} has no lease row`);
      return { epoch: lease.epoch, cursor: this.cursor(args.session), waiting: this.waiting(args.session) };
    },

    change(args: Step & { from: SessionState; to: SessionState }): boolean {
      if (leave.run(args).changes === 0) return false;
      if (args.to === 'awake') started.run(args.session);
      return true;
    },

    /** → stopping, freezing or frozen, unless a message that is due came first. */
    leaveIdle(args: Step & { from: SessionState; to: 'stopping' | 'freezing' | 'frozen' }): boolean {
      return leaveIdle.run(args).changes > 0;
    },

    /** From any state with a runner that has had its first look: the container has to end, or has ended. */
    leaveLiving(args: Step & { to: 'stopping' | 'asleep' }): boolean {
      return leaveLiving.run(args).changes > 0;
    },

    /** freezing → awake, for who has something to write. @returns the state that was found. */
    takeBack(session: string, now: number): SessionState | undefined {
      const state = stateOf.get(session)?.state;
      if (state === 'freezing') takeBack.run(now, session);
      return state;
    },

    /** Keeps what went wrong where people look for it; the state does not change. */
    recordError(args: { session: string; code: string; reason: string; now: number }): void {
      recordError.run(args);
    },

    /** → failed, with the reason and the time of the next try, for a session without a container. False: it has one. */
    fail(args: Step & { code: string; reason: string; retryAt: number }): boolean {
      // From `failed` as well: the next try may fail before it has taken an epoch, and somebody new waits for its outcome.
      const from = ['waking', 'asleep', 'failed'] as const;
      if (!from.some((state) => leave.run({ ...args, to: 'failed', from: state }).changes > 0)) return false;
      recordError.run(args);
      scheduleRetry.run(args.retryAt, args.session);
      return true;
    },

    /** Keeps how often its containers died or hung. */
    recordTrouble({ session, troubles }: { session: string; troubles: KeptTroubles }): void {
      recordTrouble.run({ ...troubles, session, times: JSON.stringify(troubles.times) });
    },

    /** What was counted against the session is forgotten: it may be tried at once. */
    forgetTroubles(args: { session: string; now: number }): void {
      forgetTroubles.run(args);
    },

    /** Whatever it was → awake (or still frozen), for a container of this epoch that an earlier host left at work. */
    adopt(args: Step & { to: 'awake' | 'frozen' }): boolean {
      return adopt.run(args).changes > 0;
    },

    /** At the host's start, when no other container of this install lives: what a dead host left behind sleeps. */
    recover(args: { now: number; adopted: string[] }): LeftSession[] {
      const sets = { now: args.now, adopted: JSON.stringify(args.adopted) };
      const rows = left.all(sets);
      putToSleep.run(sets);
      return rows;
    },
  };
}
