import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { claim, epoch, OUT, say } from './lawful.mjs';

/* Rows that say what they may not say, and files that are none. */

export const wrongTypes = ({ db, message }) =>
  say(db, message, 'x', { epoch: 'now', kind: Buffer.from('chat') });
export const largestSeq = ({ db, message }) => say(db, message, 'x', { seq: 2n ** 63n - 1n });
export const pastEpoch = ({ db, message }) => {
  say(db, message, 'now');
  say(db, message, 'then', { epoch: epoch - 1 });
};
export const futureEpoch = ({ db, message }) => say(db, message, 'x', { epoch: epoch + 1 });
export const otherSession = ({ db }) => void db.exec("UPDATE runner SET session = 's_00000000000000000000'");
export const longId = ({ db, message }) => say(db, message, 'x', { id: 'x'.repeat(1e6) });

/** Says that it answers what was said to somebody else. */
export function othersMessage({ db, message, args }) {
  const other = { id: args.goodMessage, attempt: 1 };
  db.transaction(() => {
    say(db, other, 'from somebody else');
    claim(db, other);
    claim(db, message);
  })();
}

export function wrongDestination({ db, message, args }) {
  db.transaction(() => {
    say(db, message, 'for somebody else', { destination: args.goodChat });
    claim(db, message);
  })();
}

export function millionRows({ db }) {
  db.pragma('synchronous = OFF');
  db.exec(`WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)
    INSERT INTO messages SELECT x, 'm' || x, ${epoch}, 'chat', NULL, NULL, '{}', 0 FROM n`);
}

/** A gigabyte in two values, each as large as this SQLite takes. In the last column they cost the writer no memory. */
export function gigabyte({ db, message }) {
  db.pragma('synchronous = OFF');
  db.exec(`DROP TABLE messages; CREATE TABLE messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, epoch, kind,
    in_reply_to, destination, created_at, body)`);
  const add = db.prepare(
    `INSERT INTO messages (id, epoch, kind, in_reply_to, body, created_at) VALUES (?, ?, 'chat', ?, zeroblob(530000000), 0)`,
  );
  db.transaction(() => {
    for (const id of ['half', 'giga']) add.run(id, epoch, message.id);
  })();
}

/** As much as fits in what is still read. */
export function largeBody({ db, message }) {
  db.pragma('synchronous = OFF');
  db.prepare(
    `INSERT INTO messages (id, epoch, kind, in_reply_to, body, created_at) VALUES ('large', ?, 'chat', ?, zeroblob(100000000), 0)`,
  ).run(epoch, message.id);
}

/** A few rows at a time, for ever, and nobody asked. */
export function endlessRows({ db, message }) {
  db.pragma('synchronous = OFF');
  setInterval(() => {
    db.transaction(() => {
      for (let i = 0; i < 100; i++) say(db, message, 'and another thing', { body: { answers: [] } });
    })();
  }, 5);
  return 'and so on';
}

/** Each as a file of its own of one reply. */
export function sentFiles({ db, message, args }) {
  const files = `${OUT}/files`;
  fs.mkdirSync(`${files}/r`, { recursive: true });
  fs.symlinkSync('/etc/passwd', `${files}/passwd`);
  fs.symlinkSync(args.canary, `${files}/canary`);
  fs.symlinkSync('/dev', `${files}/devices`);
  fs.symlinkSync(args.goodOut, `${files}/other`);
  fs.symlinkSync('/', `${files}/root`);
  execFileSync('mkfifo', [`${files}/fifo`]);
  fs.writeFileSync(`${files}/sparse`, '');
  fs.truncateSync(`${files}/sparse`, 10e9);
  fs.writeFileSync(`${files}/r/proper.txt`, 'a proper file');
  const paths = [
    'passwd',
    'canary',
    'devices/zero',
    'devices/stdin',
    'other/outbound.db',
    `root${args.canary}`,
    '../../../../../../../../etc/passwd',
    `../../../../..${args.canary}`,
    '../outbound.db',
    'fifo',
    'sparse',
    'r',
    'nothing',
    'r/proper.txt',
  ];
  db.transaction(() => {
    const list = paths.map((path) => ({ name: `${path.replaceAll('/', '_')}.txt`, path: `files/${path}` }));
    say(db, message, 'files', { body: { files: list } });
    say(db, message, 'more files', { body: { files: [{ name: 'p', path: '/etc/passwd' }], answers: [] } });
    claim(db, message);
  })();
}

/** The folder for files is a link to another session's. */
export function linkedFiles({ db, message, args }) {
  fs.symlinkSync(args.goodOut, `${OUT}/files`);
  db.transaction(() => {
    const files = ['outbound.db', 'heartbeat'].map((name) => ({ name, path: `files/${name}` }));
    say(db, message, 'files', { body: { files } });
    claim(db, message);
  })();
}
