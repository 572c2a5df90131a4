import type Database from 'better-sqlite3';
import type { InboundRow } from '../../contract/bodies.ts';
import { prepareDue } from './due-messages.ts';
import type { MailboxEffects, SessionState } from './rows.ts';

/** A row of the inbox that is to be made. */
export interface NewInboxRow {
  message: string;
  chatId: number;
  thread: string | null;
  dedup: string | null;
  contentHash: string;
  kind: string;
  wake: boolean;
  /** False: it is the host's own to answer, and stays out of the session's file. */
  forAgent: boolean;
  body: string;
  now: number;
}

/** Puts rows into the inbox, and into the session's file unless they have to wait behind a retry of their chat and thread. */
export function prepareEnqueue(db: Database.Database) {
  const session = db.prepare<[string], { state: SessionState; last_seq: number }>(
    'SELECT state, last_seq FROM sessions WHERE id = ?',
  );
  const takeSeq = db.prepare('UPDATE sessions SET last_seq = ? WHERE id = ?');
  const { due } = prepareDue(db);
  const hasRetry = db.prepare<[string], { 1: number }>(
    "SELECT 1 FROM inbox WHERE session = ? AND status = 'waiting' AND attempt > 1 LIMIT 1",
  );
  const takeBack = db.prepare(
    "UPDATE sessions SET state = 'awake', since = ? WHERE id = ? AND state = 'freezing'",
  );
  const add = db.prepare(
    `INSERT INTO inbox (id, session, seq, chat_id, thread, dedup, content_hash, kind, wake, body, due_at, created_at)
     VALUES (@message, @session, @seq, @chatId, @thread, @dedup, @contentHash, @kind, @wake, @body, 0, @now)`,
  );

  /** @returns the session's state as the row found it; a `freezing` one is awake now. */
  return function enqueue(id: string, row: NewInboxRow, effects: MailboxEffects): SessionState {
    const found = session.get(id);
    if (!found) throw new Error(`there is no session ${id}`);
    const seq = found.last_seq + 1;
    takeSeq.run(seq, id);
    const wake = row.wake ? 1 : 0;
    add.run({ ...row, wake, session: id, seq });
    if (!row.forAgent) return found.state;
    const { message, kind, body, now } = row;
    const own: InboundRow = { seq, id: message, attempt: 1, kind, wake, body, createdAt: now };
    // Behind a retry everything that is due goes in, in order, and nothing else: the retry itself may have come due just now.
    const rows = kind !== 'system' && hasRetry.get(id) ? due(id, now) : [own];
    if (rows.length > 0 && found.state === 'freezing') takeBack.run(now, id);
    for (const one of rows) effects.put(id, one);
    return found.state;
  };
}
