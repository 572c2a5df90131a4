import type Database from 'better-sqlite3';
import type { ScheduleView } from './schedules.ts';

/** A schedule with its place, for the operator. */
export interface ScheduleEntry extends ScheduleView {
  session: string;
  channel: string;
  group: string;
  chat: string;
  thread: string | null;
  createdAt: number;
}

/** What the operator can ask of the schedules of a running host. */
export interface SchedulesDoor {
  list(): ScheduleEntry[];
  /** All of them or none. @throws E_SCHEDULE_UNKNOWN. */
  cancel(ids: string[]): Promise<void>;
}

/** What is looked up about schedules. */
export function createScheduleReads(db: Database.Database) {
  const all = db.prepare<[], ScheduleEntry>(
    `SELECT t.id, t.text, t.cron, t.timezone, t.missed, t.due_at AS dueAt, t.last_at AS lastAt, t.session, c.channel,
       c.group_folder AS "group", c.chat, t.thread, t.created_at AS createdAt
     FROM schedules t JOIN chats c ON c.id = t.chat_id ORDER BY t.due_at, t.id`,
  );
  const due = db.prepare<
    [number, number],
    Pick<ScheduleView, 'id' | 'cron' | 'timezone' | 'missed' | 'dueAt'>
  >(
    'SELECT id, cron, timezone, missed, due_at AS dueAt FROM schedules WHERE due_at <= ? ORDER BY due_at LIMIT ?',
  );
  const crons = db.prepare<[number], Pick<ScheduleEntry, 'id' | 'timezone' | 'dueAt'> & { cron: string }>(
    'SELECT id, cron, timezone, due_at AS dueAt FROM schedules WHERE cron IS NOT NULL AND due_at > ?',
  );
  const next = db.prepare<[], { dueAt: number | null }>('SELECT min(due_at) AS dueAt FROM schedules');

  return {
    schedules: (): ScheduleEntry[] => all.all(),
    dueSchedules: (now: number, limit: number) => due.all(now, limit),
    /** Those with a cron line that are not due yet. */
    cronSchedules: (now: number) => crons.all(now),
    /** When the next of all schedules comes due; `null`: there is none. */
    nextScheduleAt: (): number | null => next.get()?.dueAt ?? null,
  };
}
