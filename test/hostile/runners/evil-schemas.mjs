import { fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { PATH, say } from './lawful.mjs';
import { bombSchema, bombTable } from './tree-bomb.ts';

/* What a database may say that it holds. */

const endless = 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)';
const columns = ['id', 'epoch', 'kind', 'in_reply_to', 'destination', 'body', 'created_at'];

export function triggers({ db }) {
  db.exec(`CREATE TRIGGER t AFTER UPDATE ON runner BEGIN DELETE FROM memory; END;
           CREATE VIEW v AS ${endless} SELECT * FROM n; CREATE TABLE own (x)`);
  return 'with triggers';
}

export const view = ({ db }) =>
  void db.exec(
    `DROP TABLE messages; CREATE VIEW messages AS ${endless} SELECT x AS seq, ${columns.map((name) => `1 AS ${name}`)} FROM n`,
  );

export const virtualTable = ({ db }) =>
  void db.exec(`DROP TABLE messages; CREATE VIRTUAL TABLE messages USING fts5(seq, ${columns})`);

export const generated = ({ db }) =>
  void db.exec('ALTER TABLE messages ADD COLUMN extra TEXT AS (hex(zeroblob(100000000)))');

export function unordered({ db, message }) {
  db.exec(`DROP TABLE messages; CREATE TABLE messages (seq, ${columns})`);
  say(db, message, 'without a number');
}

/** A schema of a million entries. */
export function million({ db }) {
  db.pragma('synchronous = OFF');
  db.pragma('writable_schema = ON');
  db.exec(`WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)
    INSERT INTO sqlite_schema SELECT 'view', 'v' || x, 'v' || x, 0, 'CREATE VIEW v' || x || ' AS SELECT 1' FROM n`);
}

/** A schema of a few pages that is billions of entries long. */
export function endlessSchema({ close }) {
  close();
  const bomb = bombSchema(readFileSync(PATH), (cell) => cell.includes('sqlite_autoindex_messages_1'));
  // Over what is there: an empty file in between would be found instead.
  writeSync(openSync(PATH, 'r+'), bomb, 0, bomb.length, 0);
}

/** A table of a few pages that is billions of rows long, written before anybody can have seen its first row. */
export function endlessTable({ db, close, message }) {
  db.pragma('locking_mode = EXCLUSIVE');
  db.prepare(
    `INSERT INTO messages (id, epoch, kind, body, created_at) VALUES ('r', 1, 'chat', '{}', 0)`,
  ).run();
  const root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'").pluck().get();
  // Never closed: that would drop the lock.
  const file = openSync(PATH, 'r+');
  const bytes = Buffer.alloc(fstatSync(file).size);
  readSync(file, bytes, 0, bytes.length, 0);
  const bomb = bombTable(bytes, root);
  writeSync(file, bomb, 0, bomb.length, 0);
  close();
  return message.id;
}
