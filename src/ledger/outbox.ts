import type Database from 'better-sqlite3';
import type { Delivery, OutboxBody, OutboxRow } from './rows.ts';

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

/** The columns of a `Delivery`. */
const DELIVERY_COLUMNS =
  'o.status, o.attempts, o.due_at AS dueAt, coalesce(o.resent_at, o.created_at) AS since';

/** The columns of an `UnsentRow`. */
export const UNSENT_COLUMNS = `o.n, c.channel, c.group_folder AS "group", c.chat, ${DELIVERY_COLUMNS}`;

/** What every reader of the outbox selects; `toOutboxRow` makes of it what the stages work with. */
export const OUTBOX_COLUMNS = `o.n, o.session, c.channel, c.group_folder AS "group", c.chat, o.event, o.type,
  o.in_reply_to AS inReplyTo, o.thread, o.body, o.code, o.reason, o.created_at AS createdAt, ${DELIVERY_COLUMNS}`;

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
    `INSERT INTO outbox (session, row_id, chat_id, event, type, in_reply_to, thread, body, code, reason, status, created_at)
     VALUES (@session, @rowId, @chatId, @event, @type, @inReplyTo, @thread, @bodyText, @code, @reason, @status, @now)`,
  );
  const inFront = db.prepare<[number], { 1: number }>(
    `SELECT 1 FROM outbox WHERE chat_id = ? AND status <> 'sent' AND status IN ('pending', 'sending', 'retry') LIMIT 1`,
  );
  const origin = db.prepare<
    [string],
    { chat_id: number; thread: string | null; kind: string; next: number }
  >(`SELECT i.chat_id, i.thread, i.kind, c.last_event + 1 AS next
     FROM inbox i JOIN chats c ON c.id = i.chat_id WHERE i.id = ?`);

  /**
   * @param keyless names of channels that take no key. An event for one of them is put straight to `sending` where nothing
   * of its chat is in front of it: that has to be durable before the send, and so costs no commit of its own.
   * @returns the event, or `undefined` where that row of that session is in the outbox already.
   */
  function add(event: NewEvent, keyless: readonly string[] = []): OutboxRow | undefined {
    if (exists.get(event.session, event.rowId)) return undefined;
    const place = nextEvent.get(event.chatId);
    if (!place) return undefined;
    const status = keyless.includes(place.channel) && !inFront.get(event.chatId) ? 'sending' : 'pending';
    const { lastInsertRowid } = insert.run({
      ...event,
      status,
      event: place.event,
      bodyText: JSON.stringify(event.body),
    });
    const { rowId: _, chatId: __, now, ...rest } = event;
    const delivery = { status, attempts: 0, dueAt: null, since: now } as const;
    return { ...rest, ...place, n: Number(lastInsertRowid), createdAt: now, delivery };
  }

  /**
   * Tells the sender of a message why there is no reply, each time: whether somebody is to be told (again) stands in the message's
   * row, which the caller changes in the same transaction.
   */
  function addFailure(
    args: { session: string; message: string; code: string; reason: string; now: number },
    keyless?: readonly string[],
  ): OutboxRow | undefined {
    const message = origin.get(args.message);
    // What the host itself answered a runner is nobody's message: no sender waits.
    if (!message || message.kind === 'system') return undefined;
    // A colon cannot stand in an id that a container makes, so that no container can take this row's place.
    const rowId = `failure:${args.message}:${message.next}`;
    const { session, code, reason, now } = args;
    const place = { session, chatId: message.chat_id, inReplyTo: args.message, thread: message.thread, now };
    const body = { text: '', answers: [args.message], files: [], rowId };
    return add({ ...place, type: 'failure', rowId, body, code, reason }, keyless);
  }

  return { add, addFailure };
}

/** A row as `OUTBOX_COLUMNS` selects it. */
export type StoredEvent = Omit<OutboxRow, 'body' | 'delivery'> & Delivery & { body: string };

/** Parses the body that the ledger keeps as JSON text. */
export function toOutboxRow(stored: StoredEvent): OutboxRow {
  const { status, attempts, dueAt, since, body, ...row } = stored;
  return {
    ...row,
    body: JSON.parse(body) as OutboxBody,
    delivery: { status, attempts, dueAt, since },
  };
}
