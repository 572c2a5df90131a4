import type Database from 'better-sqlite3';
import type { InboundRow } from '../../contract/bodies.ts';
import { prepareOutbox } from './outbox.ts';
import type { OutboxRow } from './rows.ts';

const INBOUND_COLUMNS = 'seq, id, attempt, kind, wake, body, created_at AS createdAt';

interface WaitingRow extends InboundRow {
  chat_id: number;
  thread: string | null;
  due_at: number;
}

interface Telling {
  session: string;
  code: string;
  reason: string;
  now: number;
}

/** The commands on waiting messages besides accepting and collecting. */
export function prepareMessages(db: Database.Database) {
  const outbox = prepareOutbox(db);
  const waiting = db.prepare<[string], WaitingRow>(
    `SELECT ${INBOUND_COLUMNS}, chat_id, thread, due_at FROM inbox WHERE session = ? AND status = 'waiting' ORDER BY seq`,
  );
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

  return {
    /** Waiting messages that may be taken up now, in order: what is due, and not behind a retry of its chat and thread. */
    due(session: string, now: number): InboundRow[] {
      const held = new Set<string>();
      const rows: InboundRow[] = [];
      for (const { chat_id, thread, due_at, ...row } of waiting.iterate(session)) {
        const place = JSON.stringify([chat_id, thread]);
        if (due_at > now) held.add(place);
        else if (!held.has(place)) rows.push(row);
      }
      return rows;
    },

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
    afterCrash(args: Telling & { messages: { id: string; attempt: number; dueAt: number | null }[] }): {
      events: OutboxRow[];
      ended: string[];
    } {
      const events: OutboxRow[] = [];
      const ended: string[] = [];
      for (const { id, attempt, dueAt } of args.messages) {
        if (dueAt !== null) {
          retry.run(dueAt, id, args.session, attempt);
        } else if (end.run(args.now, id, args.session, attempt).changes > 0) {
          ended.push(id);
          const event = outbox.addFailure({ ...args, message: id });
          if (event) events.push(event);
        }
      }
      return { events, ended };
    },
  };
}
