import type Database from 'better-sqlite3';

/** A message without an answer, as the ledger has it. */
export interface WaitingRow {
  id: string;
  attempt: number;
  wake: number;
  dueAt: number;
  /** When its sender was told that it does not work now. */
  toldAt: number | null;
  createdAt: number;
  chatId: number;
  thread: string | null;
}

/** An event that its channel has not taken. */
export interface UndeliveredRow {
  n: number;
  status: string;
  /** Sends that failed. */
  attempts: number;
  /** Of a `retry`: when it is sent again. */
  dueAt: number | null;
  error: string | null;
  createdAt: number;
}

/** A failure that was told in the session's chats. */
export interface ToldRow {
  code: string;
  reason: string;
  createdAt: number;
}

/** More would be no answer to "why". */
const MOST = 1000;

/** What the ledger knows about somebody who waits in a session, on a read-only connection. */
export function createWhyReads(db: Database.Database) {
  const waiting = db.prepare<[string], WaitingRow>(
    `SELECT id, attempt, wake, due_at AS dueAt, told_at AS toldAt, created_at AS createdAt, chat_id AS chatId, thread
     FROM inbox WHERE session = ? AND status = 'waiting' ORDER BY seq LIMIT ${MOST}`,
  );
  const undelivered = db.prepare<[string], UndeliveredRow>(
    `SELECT n, status, attempts, due_at AS dueAt, error, created_at AS createdAt FROM outbox
     WHERE session = ? AND status NOT IN ('sent', 'dropped') ORDER BY n LIMIT ${MOST}`,
  );
  const told = db.prepare<[string], ToldRow>(
    `SELECT code, reason, created_at AS createdAt FROM outbox
     WHERE session = ? AND type = 'failure' ORDER BY n DESC LIMIT 1`,
  );

  return {
    waitingMessages: (session: string): WaitingRow[] => waiting.all(session),
    undelivered: (session: string): UndeliveredRow[] => undelivered.all(session),
    lastTold: (session: string): ToldRow | undefined => told.get(session),
  };
}
