import type Database from 'better-sqlite3';
import type { OutboxBody, OutboxRow } from './rows.ts';

interface NewEvent {
  session: string;
  rowId: string;
  chatId: number;
  type: 'message' | 'failure';
  inReplyTo: string | null;
  thread: string | null;
  body: OutboxBody;
  code: string | null;
  reason: string | null;
  now: number;
}

/** What every reader of the outbox selects; `toOutboxRow` makes of it what the stages work with. */
export const OUTBOX_COLUMNS = `o.n, o.session, c.channel, c.group_folder AS "group", c.chat, o.event, o.type,
  o.in_reply_to AS inReplyTo, o.thread, o.body, o.code, o.reason, o.created_at AS createdAt`;

/** Puts events into chats; the number of an event is given in the transaction that makes it visible. */
export function prepareOutbox(db: Database.Database) {
  const exists = db.prepare<[string, string], { n: number }>(
    'SELECT n FROM outbox WHERE session = ? AND row_id = ?',
  );
  const nextEvent = db.prepare<[number], { event: number; channel: string; group: string; chat: string }>(
    `UPDATE chats SET last_event = last_event + 1 WHERE id = ?
     RETURNING last_event AS event, channel, group_folder AS "group", chat`,
  );
  const insert = db.prepare(
    `INSERT INTO outbox (session, row_id, chat_id, event, type, in_reply_to, thread, body, code, reason, created_at)
     VALUES (@session, @rowId, @chatId, @event, @type, @inReplyTo, @thread, @bodyText, @code, @reason, @now)`,
  );
  const origin = db.prepare<[string], { chat_id: number; thread: string | null; attempt: number }>(
    'SELECT chat_id, thread, attempt FROM inbox WHERE id = ?',
  );

  /** @returns the event, or `undefined` where that row of that session is in the outbox already. */
  function add(event: NewEvent): OutboxRow | undefined {
    if (exists.get(event.session, event.rowId)) return undefined;
    const place = nextEvent.get(event.chatId);
    if (!place) return undefined;
    const { lastInsertRowid } = insert.run({
      ...event,
      event: place.event,
      bodyText: JSON.stringify(event.body),
    });
    const { rowId: _, chatId: __, now, ...rest } = event;
    return { ...rest, ...place, n: Number(lastInsertRowid), createdAt: now };
  }

  /** Tells the sender of a message why there is no reply. */
  function addFailure(args: {
    session: string;
    message: string;
    code: string;
    reason: string;
    now: number;
  }): OutboxRow | undefined {
    const message = origin.get(args.message);
    if (!message) return undefined;
    // A colon cannot stand in an id that a container makes, so that no container can take this row's place.
    const rowId = `failure:${args.message}:${message.attempt}:${args.code}`;
    return add({
      session: args.session,
      rowId,
      chatId: message.chat_id,
      type: 'failure',
      inReplyTo: args.message,
      thread: message.thread,
      body: { text: '', answers: [args.message], files: [], rowId },
      code: args.code,
      reason: args.reason,
      now: args.now,
    });
  }

  return { add, addFailure };
}

/** Parses the body that the ledger keeps as JSON text. */
export function toOutboxRow(row: Omit<OutboxRow, 'body'> & { body: string }): OutboxRow {
  return { ...row, body: JSON.parse(row.body) as OutboxBody };
}
