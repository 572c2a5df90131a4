import type Database from 'better-sqlite3';
import { UNSENT_COLUMNS } from './outbox.ts';
import type { OutboxState, UnsentRow } from './rows.ts';

/** An event of the outbox as the operator sees it. */
export interface OutboxEntry {
  n: number;
  status: OutboxState;
  /** Unix milliseconds: when it came to an end, was sent, or was made. */
  at: number;
  attempts: number;
  dueAt: number | null;
  channel: string;
  group: string;
  chat: string;
  session: string;
  type: 'message' | 'failure';
  /** The beginning of what it says. */
  text: string;
  errorClass: string | null;
  error: string | null;
  platformId: string | null;
  createdAt: number;
}

/** So many the operator sees at once; the newest. */
export const MOST_ENTRIES = 1000;

/** The condition of the index `outbox_unsent`: what stands in it is found without going through what was sent. */
const UNSENT = "o.status <> 'sent'";
const WAITING = `${UNSENT} AND o.status IN ('pending', 'sending', 'retry')`;

/** What delivery and the operator look up in the outbox. */
export function createOutboxReads(db: Database.Database) {
  const fromUnsent = 'FROM outbox o INDEXED BY outbox_unsent JOIN chats c ON c.id = o.chat_id';
  const unsent = db.prepare<[], UnsentRow>(
    `SELECT ${UNSENT_COLUMNS} ${fromUnsent} WHERE ${WAITING} ORDER BY o.n`,
  );
  const unsentRow = db.prepare<[number], UnsentRow>(
    `SELECT ${UNSENT_COLUMNS} FROM outbox o JOIN chats c ON c.id = o.chat_id WHERE o.n = ? AND ${WAITING}`,
  );
  const entry = `SELECT o.n, o.status, coalesce(o.ended_at, o.sent_at, o.created_at) AS at, o.attempts, o.due_at AS dueAt,
      c.channel, c.group_folder AS "group", c.chat, o.session, o.type,
      substr(CASE o.type WHEN 'failure' THEN o.code || ': ' || o.reason ELSE o.body ->> '$.text' END, 1, 200) AS text,
      o.error_class AS errorClass, o.error, o.platform_id AS platformId, o.created_at AS createdAt`;
  const open = db.prepare<[number], OutboxEntry>(
    `${entry} ${fromUnsent} WHERE ${UNSENT} AND o.status <> 'dropped' ORDER BY o.n DESC LIMIT ?`,
  );
  const all = db.prepare<[number], OutboxEntry>(
    `${entry} FROM outbox o JOIN chats c ON c.id = o.chat_id ORDER BY o.n DESC LIMIT ?`,
  );

  return {
    /** Everything that is still to be sent, oldest first. */
    unsentEvents: (): UnsentRow[] => unsent.all(),
    /** `undefined`: it is no longer to be sent. */
    unsentEvent: (n: number): UnsentRow | undefined => unsentRow.get(n),
    /** The newest events, oldest of them first: those that are not over, or with `all` every one. */
    outbox: (options: { all: boolean }): OutboxEntry[] =>
      (options.all ? all : open).all(MOST_ENTRIES).toReversed(),
  };
}
