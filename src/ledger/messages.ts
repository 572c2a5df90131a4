import type Database from 'better-sqlite3';
import { prepareOutbox } from './outbox.ts';
import type { OutboxRow } from './rows.ts';

interface Telling {
  session: string;
  code: string;
  reason: string;
  now: number;
}

/** A message that a container was working on when it died. */
export interface DeadWork {
  id: string;
  attempt: number;
  /** Unix milliseconds of the next try; `null`: there is none. */
  dueAt: number | null;
  /** Where this message ends for another reason than the rest. */
  code?: string;
  reason?: string;
}

/** The commands on waiting messages besides accepting and collecting. */
export function prepareMessages(db: Database.Database) {
  const outbox = prepareOutbox(db);
  const untold = db.prepare<[string], { id: string }>(
    "SELECT id FROM inbox WHERE session = ? AND status = 'waiting' AND wake = 1 AND told_at IS NULL ORDER BY seq",
  );
  const told = db.prepare('UPDATE inbox SET told_at = ? WHERE id = ?');
  const retry = db.prepare(
    "UPDATE inbox SET attempt = attempt + 1, due_at = ? WHERE id = ? AND session = ? AND attempt = ? AND status = 'waiting'",
  );
  const end = db.prepare(
    "UPDATE inbox SET status = 'failed', ended_at = ? WHERE id = ? AND session = ? AND attempt = ? AND status = 'waiting'",
  );

  const hurry = db.prepare(
    "UPDATE inbox SET due_at = min(due_at, @now), told_at = NULL WHERE session = @session AND status = 'waiting'",
  );

  return {
    /** What waits for a retry may be taken up now, and who waits is told anew should it fail again. @returns how many wait. */
    hurry: (args: { session: string; now: number }): number => hurry.run(args).changes,

    /** Tells each waiting sender once that it does not work now; the messages go on waiting. */
    tellWaiting(args: Telling): OutboxRow[] {
      const events: OutboxRow[] = [];
      for (const { id } of untold.all(args.session)) {
        told.run(args.now, id);
        const event = outbox.addFailure({ ...args, message: id });
        if (event) events.push(event);
      }
      return events;
    },

    /** What a dead container was working on is tried again at `dueAt`, or ends with the reason. */
    afterCrash(args: Telling & { messages: DeadWork[] }): {
      events: OutboxRow[];
      ended: string[];
    } {
      const events: OutboxRow[] = [];
      const ended: string[] = [];
      for (const { id, attempt, dueAt, code = args.code, reason = args.reason } of args.messages) {
        if (dueAt !== null) {
          retry.run(dueAt, id, args.session, attempt);
        } else if (end.run(args.now, id, args.session, attempt).changes > 0) {
          ended.push(id);
          const event = outbox.addFailure({ ...args, code, reason, message: id });
          if (event) events.push(event);
        }
      }
      return { events, ended };
    },
  };
}
