import type Database from 'better-sqlite3';
import type { InboundRow } from '../../contract/bodies.ts';

interface WaitingRow extends InboundRow {
  chatId: number;
  thread: string | null;
  dueAt: number;
}

/** SQL: whether an answer is waited for in `@session` that may be begun at `@now`. By the rule of `due`, without what the messages say. */
export const SOME_DUE = `SELECT 1 FROM inbox i WHERE i.session = @session AND i.status = 'waiting' AND i.wake = 1 AND i.due_at <= @now
  AND (i.kind = 'system' OR NOT EXISTS (
    SELECT 1 FROM inbox retried WHERE retried.session = i.session AND retried.status = 'waiting' AND retried.kind <> 'system'
      AND retried.seq < i.seq AND retried.chat_id = i.chat_id AND retried.thread IS i.thread AND retried.due_at > @now))`;

/**
 * Which waiting messages of a session may be taken up. A message that is tried again later holds back what was said
 * after it in its chat and thread: answers come in the order of the questions. Answers to a runner's own requests
 * (kind `system`) are held back by nothing.
 */
export function prepareDue(db: Database.Database) {
  const waiting = db.prepare<[string], WaitingRow>(
    `SELECT seq, id, attempt, kind, wake, body, created_at AS createdAt, chat_id AS chatId, thread, due_at AS dueAt
     FROM inbox WHERE session = ? AND status = 'waiting' ORDER BY seq`,
  );
  const behind = db.prepare<[{ session: string; message: string }], { id: string }>(
    `SELECT later.id FROM inbox retried JOIN inbox later ON later.session = retried.session AND later.seq > retried.seq
       AND later.chat_id = retried.chat_id AND later.thread IS retried.thread
     WHERE retried.id = @message AND retried.session = @session AND later.status = 'waiting' AND later.kind <> 'system'`,
  );

  return {
    /** The messages that may be taken up now, in order. */
    due(session: string, now: number): InboundRow[] {
      const held = new Set<string>();
      const free = waiting.all(session).filter((row) => {
        if (row.kind === 'system') return row.dueAt <= now;
        const place = `${row.chatId} ${row.thread ?? ''}`;
        if (row.dueAt > now) held.add(place);
        return !held.has(place);
      });
      return free.map(({ chatId: _, thread: __, dueAt: ___, ...row }) => row);
    },

    /** Ids of what was said after a message in its chat and thread. */
    behind: (session: string, message: string): string[] =>
      behind.all({ session, message }).map(({ id }) => id),
  };
}
