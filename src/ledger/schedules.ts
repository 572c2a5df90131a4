import type Database from 'better-sqlite3';
import { newId } from '../../contract/ids.ts';
import { BerthError } from '../errors.ts';
import { prepareEnqueue } from './enqueue.ts';
import type { MailboxEffects, SessionState } from './rows.ts';

/** A schedule as its session and the operator see it. Times are Unix milliseconds. */
export interface ScheduleView {
  id: string;
  text: string;
  /** `null`: once. */
  cron: string | null;
  timezone: string;
  missed: 'once' | 'skip';
  dueAt: number;
  lastAt: number | null;
}

/** What a schedule is made of, checked by `requests/`. */
export type NewSchedule = Omit<ScheduleView, 'id' | 'lastAt'> & { id: string };

/** So many a session may have. */
const MOST_SCHEDULES = 50;

const VIEW = 'id, text, cron, timezone, missed, due_at AS dueAt, last_at AS lastAt';

/** The commands on schedules. A due task is made, and the schedule's next time noted, in one transaction: never twice. */
export function prepareSchedules(db: Database.Database) {
  const enqueue = prepareEnqueue(db);
  const add = db.prepare(
    `INSERT INTO schedules (id, session, chat_id, thread, text, cron, timezone, missed, due_at, created_at)
     VALUES (@id, @session, @chatId, @thread, @text, @cron, @timezone, @missed, @dueAt, @now)`,
  );
  const one = db.prepare<[string], ScheduleView & { session: string }>(
    `SELECT ${VIEW}, session FROM schedules WHERE id = ?`,
  );
  const ofSession = db.prepare<[string], ScheduleView>(
    `SELECT ${VIEW} FROM schedules WHERE session = ? ORDER BY due_at, id`,
  );
  const remove = db.prepare('DELETE FROM schedules WHERE id = ?');
  const due = db.prepare<
    [string, number],
    { session: string; chatId: number; thread: string | null; text: string; chat: string }
  >(
    `SELECT t.session, t.chat_id AS chatId, t.thread, t.text, c.chat FROM schedules t JOIN chats c ON c.id = t.chat_id
     WHERE t.id = ? AND t.due_at = ?`,
  );
  // No channel can give such a key: ids that people choose have no slash.
  const unfinished = db.prepare<[number, string, string], { 1: number }>(
    "SELECT 1 FROM inbox WHERE chat_id = ? AND dedup > ? AND dedup < ? AND status = 'waiting'",
  );
  const made = db.prepare<[number, string], { 1: number }>(
    'SELECT 1 FROM inbox WHERE chat_id = ? AND dedup = ?',
  );
  const move = db.prepare('UPDATE schedules SET due_at = ?, last_at = coalesce(?, last_at) WHERE id = ?');

  return {
    /** @returns the schedule; the one that is there already where its id is known. @throws E_REQUEST_LIMIT. */
    add(
      schedule: NewSchedule & { session: string; chatId: number; thread: string | null; now: number },
    ): ScheduleView {
      const known = one.get(schedule.id);
      if (!known) {
        const count = ofSession.all(schedule.session).length;
        if (count >= MOST_SCHEDULES)
          throw new BerthError(
            'E_REQUEST_LIMIT',
            `this session has ${count} schedules, ${MOST_SCHEDULES} are allowed`,
          );
        add.run(schedule);
      }
      return one.get(schedule.id) as ScheduleView;
    },

    list: (session: string): ScheduleView[] => ofSession.all(session),

    /** @param session the one that it has to belong to; none: the operator asks. @throws E_SCHEDULE_UNKNOWN. */
    cancel(id: string, session?: string): void {
      const known = one.get(id);
      if (!known || (session !== undefined && known.session !== session))
        throw new BerthError('E_SCHEDULE_UNKNOWN', `there is no schedule "${id.slice(0, 80)}"`);
      remove.run(id);
    },

    /**
     * A schedule has come due: its task goes into the inbox, unless the last one still waits, or one was made for that very time (the clock
     * was set back since, and the same planned again).
     * @param args.next when it is due again; `null`: never, and it goes.
     * @param args.skip no task is made: `next` is all that is noted.
     * @returns the task; `undefined` where none was made, because somebody was quicker or the schedule is gone.
     */
    fire(
      args: { id: string; dueAt: number; next: number | null; skip: boolean; now: number },
      effects: MailboxEffects,
    ): { session: string; message: string; state: SessionState } | undefined {
      const { id, dueAt, next, skip, now } = args;
      const found = due.get(id, dueAt);
      if (!found) return undefined;
      if (next === null) remove.run(id);
      else move.run(next, skip ? null : now, id);
      const { session, chatId, thread, text, chat } = found;
      const dedup = `schedule/${id}/${dueAt}`;
      if (skip || unfinished.get(chatId, `schedule/${id}/`, `schedule/${id}0`) || made.get(chatId, dedup))
        return undefined;
      const message = newId('t');
      const sender = { id: 'schedule', name: 'Schedule' };
      const body = JSON.stringify({ text, sender, chat, thread, files: [], schedule: { id, dueAt } });
      const row = { message, chatId, thread, dedup, contentHash: dedup, kind: 'task', wake: true, body, now };
      return { session, message, state: enqueue(session, { ...row, forAgent: true }, effects) };
    },
  };
}
