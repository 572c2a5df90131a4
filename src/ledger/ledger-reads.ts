import type Database from 'better-sqlite3';
import { createApprovalReads } from './approvals.ts';
import { SOME_DUE } from './due-messages.ts';
import { OUTBOX_COLUMNS, type StoredEvent, toOutboxRow } from './outbox.ts';
import { createOutboxReads } from './outbox-reads.ts';
import { createRowReads } from './row-place.ts';
import type { OutboxRow, SessionState } from './rows.ts';
import { createScheduleReads } from './schedule-reads.ts';
import { createSettledReads } from './settled.ts';
import { createWhyReads } from './why-reads.ts';

export interface SessionRow {
  id: string;
  group: string;
  channel: string | null;
  chat: string | null;
  thread: string | null;
  state: SessionState;
  since: number;
  epoch: number;
  queue: number;
  /** How many tasks it has planned. */
  schedules: number;
  errorCode: string | null;
  errorReason: string | null;
  errorAt: number | null;
  retryAt: number | null;
  failures: number;
  /** JSON: Unix milliseconds. */
  troubles: string;
  quietSince: number | null;
  /** When the lease was taken last: the start of its newest container. */
  startedAt: number;
}

/** What the main thread looks up in the ledger, on a read-only connection beside the writer. */
export function createLedgerReads(db: Database.Database) {
  const findChat = db.prepare<[string, string, string], { id: number; last: number }>(
    'SELECT id, last_event AS last FROM chats WHERE channel = ? AND group_folder = ? AND chat = ?',
  );
  const firstEvent = db.prepare<[number], { first: number | null }>(
    'SELECT min(event) AS first FROM outbox WHERE chat_id = ?',
  );
  const events = db.prepare<[number, number, number], StoredEvent>(
    `SELECT ${OUTBOX_COLUMNS} FROM outbox o JOIN chats c ON c.id = o.chat_id
     WHERE o.chat_id = ? AND o.event > ? ORDER BY o.event LIMIT ?`,
  );
  const event = db.prepare<[number], StoredEvent>(
    `SELECT ${OUTBOX_COLUMNS} FROM outbox o JOIN chats c ON c.id = o.chat_id WHERE o.n = ?`,
  );
  const SESSION = `SELECT s.id, s.group_folder AS "group", c.channel, c.chat, s.thread, s.state, s.since, l.epoch,
      (SELECT count(*) FROM inbox i WHERE i.session = s.id AND i.status = 'waiting' AND i.kind <> 'system') AS queue,
      (SELECT count(*) FROM schedules t WHERE t.session = s.id) AS schedules,
      s.error_code AS errorCode, s.error_reason AS errorReason, s.error_at AS errorAt, s.retry_at AS retryAt, s.failures,
      s.troubles, s.quiet_since AS quietSince, l.taken_at AS startedAt
    FROM sessions s JOIN leases l ON l.session = s.id LEFT JOIN chats c ON c.id = s.chat_id`;
  const session = db.prepare<[string], SessionRow>(`${SESSION} WHERE s.id = ?`);
  const sessions = db.prepare<[], SessionRow>(`${SESSION} ORDER BY s.since DESC`);
  const sessionsOfChat = db.prepare<[number], { id: string }>('SELECT id FROM sessions WHERE chat_id = ?');
  const places = db.prepare<[], { id: string; group: string; chatId: number | null }>(
    'SELECT id, group_folder AS "group", chat_id AS chatId FROM sessions',
  );
  const message = db.prepare<[string], { 1: number }>('SELECT 1 FROM inbox WHERE id = ?');
  const liveSessions = db.prepare<[], SessionRow>(`${SESSION} WHERE s.state NOT IN ('asleep', 'failed')`);
  const count = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM sessions');
  const question = db.prepare<[string, string, number], { 1: number }>(
    `SELECT 1 FROM outbox WHERE session = ? AND row_id = ? AND chat_id = ? AND json_type(body, '$.question') = 'object'`,
  );
  const duplicate = db.prepare<[number, string], { id: string; session: string; contentHash: string }>(
    'SELECT id, session, content_hash AS contentHash FROM inbox WHERE chat_id = ? AND dedup = ?',
  );
  const waitingSessions = db.prepare<[], { session: string; dueAt: number }>(
    "SELECT session, min(due_at) AS dueAt FROM inbox WHERE status = 'waiting' AND wake = 1 GROUP BY session",
  );

  const someDue = db.prepare<[{ session: string; now: number }], { 1: number }>(SOME_DUE);

  const waitingChats = db.prepare<
    [string],
    { channel: string; group: string; chat: string; thread: string | null }
  >(
    `SELECT DISTINCT c.channel, c.group_folder AS "group", c.chat, i.thread FROM inbox i JOIN chats c ON c.id = i.chat_id
     WHERE i.session = ? AND i.status = 'waiting' AND i.wake = 1`,
  );

  const waitingChat = db.prepare<
    [string, string],
    { channel: string; group: string; chat: string; thread: string | null }
  >(
    `SELECT c.channel, c.group_folder AS "group", c.chat, i.thread FROM inbox i JOIN chats c ON c.id = i.chat_id
     WHERE i.session = ? AND i.id = ? AND i.status = 'waiting' AND i.kind <> 'system'`,
  );

  return {
    ...createWhyReads(db),
    chat: (channel: string, group: string, chat: string) => findChat.get(channel, group, chat),
    firstEvent: (chatId: number): number => firstEvent.get(chatId)?.first ?? 0,
    events: (chatId: number, after: number, limit: number): OutboxRow[] =>
      events.all(chatId, after, limit).map(toOutboxRow),
    event: (n: number): OutboxRow | undefined => {
      const row = event.get(n);
      return row && toOutboxRow(row);
    },
    ...createOutboxReads(db),
    ...createRowReads(db),
    ...createScheduleReads(db),
    ...createApprovalReads(db),
    ...createSettledReads(db),
    session: (id: string) => session.get(id),
    sessions: () => sessions.all(),
    /** Ids of the sessions that are the chat's own. */
    sessionsOfChat: (chatId: number): string[] => sessionsOfChat.all(chatId).map(({ id }) => id),
    /** Of all sessions, where their folders are. */
    sessionPlaces: () => places.all(),
    isMessage: (id: string): boolean => message.get(id) !== undefined,
    /** Sessions that are neither asleep nor failed. */
    liveSessions: () => liveSessions.all(),
    sessionCount: (): number => count.get()?.n ?? 0,
    duplicate: (chatId: number, dedup: string) => duplicate.get(chatId, dedup),
    /** True for the id of a question that the session's agent asked in that chat. */
    isQuestion: (chatId: number, session: string, id: string): boolean =>
      question.get(session, id, chatId) !== undefined,
    /** Sessions with a message that wants an answer, and from when on the first of them may be taken up. */
    waitingSessions: () => waitingSessions.all(),
    /** Whether the session has a message that wants an answer and waits for nothing but a runner. */
    isDue: (session: string, now: number): boolean => someDue.get({ session, now }) !== undefined,
    /** Where somebody waits for an answer of that session. */
    waitingChats: (session: string) => waitingChats.all(session),
    /** Where that message of the session waits for its answer; `undefined` when it does not. */
    waitingChat: (session: string, message: string) => waitingChat.get(session, message),
    close: (): void => void db.close(),
  };
}

export type LedgerReads = ReturnType<typeof createLedgerReads>;
