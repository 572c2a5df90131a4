import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/* A runner that keeps to the session contract, in a few lines: what the hostile ones begin with. */

const require = createRequire('/opt/berth/runner/main.cjs');
export const Database = require('better-sqlite3');
export const OUT = '/session/out';
export const PATH = `${OUT}/outbound.db`;
export const INBOUND = '/session/in/inbound.db';
const session = process.env.BERTH_SESSION;
export const epoch = Number(process.env.BERTH_EPOCH);

/** Whatever else happens here: it looks alive. */
export function beatHeart() {
  setInterval(() => writeFileSync(`${OUT}/heartbeat`, String(Date.now())), 500);
}

/** Opens `outbound.db` as the contract wants it. */
export function openOutbound() {
  const db = new Database(PATH, { timeout: 10_000 });
  db.unsafeMode();
  db.pragma('journal_mode = PERSIST');
  db.pragma('synchronous = FULL');
  if (db.pragma('user_version', { simple: true }) === 0) {
    db.exec(readFileSync('/opt/berth/migrations/outbound/0001-contract-1.sql', 'utf8'));
    db.pragma('user_version = 1');
  }
  db.prepare(
    `INSERT INTO runner (only_row, file_id, session, epoch, activity_at) VALUES (1, ?, ?, ?, 0)
     ON CONFLICT DO UPDATE SET epoch = excluded.epoch`,
  ).run(`f${Math.random().toString(36).slice(2)}`, session, epoch);
  return db;
}

let replies = 0;

/** A reply row; `row` replaces what is proper about it. */
export function say(db, message, text, row = {}) {
  const body = JSON.stringify({ text, answers: [message.id], ...row.body });
  db.prepare(
    `INSERT INTO messages (seq, id, epoch, kind, in_reply_to, destination, body, created_at)
     VALUES (@seq, @id, @epoch, @kind, @in_reply_to, @destination, @body, 0)`,
  ).run({
    seq: null,
    id: `r${epoch}-${++replies}`,
    epoch,
    kind: 'chat',
    in_reply_to: message.id,
    destination: null,
    ...row,
    body,
  });
}

/** The claim of a message. */
export function claim(db, message, status = 'done') {
  db.prepare(
    `INSERT OR REPLACE INTO claims (message_id, attempt, epoch, status, at) VALUES (?, ?, ?, ?, 0)`,
  ).run(message.id, message.attempt, epoch, status);
}

/** Reply and claim in one transaction. */
export function answer(db, message, text) {
  db.transaction(() => {
    say(db, message, text);
    claim(db, message);
  }).immediate();
}

/** Calls `onMessage` for each message once. */
export function serve(onMessage) {
  const taken = new Set();
  setInterval(async () => {
    for (const message of readInbound()) {
      if (taken.has(`${message.id} ${message.attempt}`)) continue;
      taken.add(`${message.id} ${message.attempt}`);
      await onMessage(message);
    }
  }, 20);
}

function readInbound() {
  if (!existsSync(INBOUND)) return [];
  const db = new Database(INBOUND, { readonly: true, timeout: 0 });
  try {
    return db.prepare('SELECT id, attempt, body FROM messages ORDER BY seq').all();
  } catch {
    return []; // the host is just writing
  } finally {
    db.close();
  }
}
