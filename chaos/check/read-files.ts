import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Evidence, LedgerEvent } from './evidence.ts';

/** Reads the ledger and every session's files, by SQL of its own. @throws when one cannot be read. */
export function readFiles(dataDir: string): Pick<Evidence, 'inbox' | 'outbox' | 'sessions' | 'leftInFiles'> {
  const db = new Database(join(dataDir, 'host.db'), { readonly: true });
  try {
    const integrity = db.pragma('integrity_check', { simple: true });
    if (integrity !== 'ok') throw new Error(`host.db is damaged: ${integrity}`);
    const outbox = db
      .prepare(
        `SELECT o.n, o.session, c.channel, c.chat, o.event, o.type, o.status, o.code, o.body, o.created_at AS createdAt
         FROM outbox o JOIN chats c ON c.id = o.chat_id ORDER BY o.n`,
      )
      .all() as (LedgerEvent & { body: string })[];
    const inbox = db.prepare(
      `SELECT id, session, seq, status, attempt, told_at AS toldAt, ended_at AS endedAt
       FROM inbox ORDER BY session, seq`,
    );
    const sessions = db.prepare('SELECT id, state FROM sessions').all() as Evidence['sessions'];
    return {
      inbox: inbox.all() as Evidence['inbox'],
      outbox: outbox.map(({ body, ...row }) => ({ ...row, answers: JSON.parse(body).answers ?? [] })),
      sessions,
      leftInFiles: sessions.flatMap(({ id }) => leftIn(dataDir, id)),
    };
  } finally {
    db.close();
  }
}

/** Messages that still stand there to be worked on, and work that still counts as under way. */
function leftIn(dataDir: string, session: string): Evidence['leftInFiles'] {
  const [folder] = globSync(join(dataDir, 'sessions', '*', session));
  if (folder === undefined) return [];
  const claims = rows(
    join(folder, 'out/outbound.db'),
    "SELECT message_id AS id FROM claims c WHERE status = 'processing' AND attempt = (SELECT max(attempt) FROM claims WHERE message_id = c.message_id)",
  );
  const done = new Set(
    rows(join(folder, 'out/outbound.db'), "SELECT message_id AS id FROM claims WHERE status = 'done'"),
  );
  const messages = rows(join(folder, 'in/inbound.db'), 'SELECT id FROM messages');
  return [
    ...claims.map((id) => ({ session, words: `${id} is still being worked on in outbound.db` })),
    ...messages
      .filter((id) => !done.has(id))
      .map((id) => ({ session, words: `${id} still stands in inbound.db` })),
  ];
}

function rows(file: string, sql: string): string[] {
  if (!existsSync(file)) return [];
  const db = new Database(file, { readonly: true });
  try {
    return (db.prepare(sql).all() as { id: string }[]).map(({ id }) => id);
  } finally {
    db.close();
  }
}
