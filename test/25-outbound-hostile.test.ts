import { execFileSync, spawn } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { OutboundInvalid } from '../src/mailbox/outbound-invalid.ts';
import { type OutboundRoom, openOutboundRoom, say } from './fixtures/outbound-room.ts';
import { bombSchema, bombTable } from './hostile/runners/tree-bomb.ts';

/** What one look may take of the thread that all sessions share; generous for a machine that is slow. */
const QUICK_MS = 40;

function quickLook(room: OutboundRoom, more: Parameters<OutboundRoom['look']>[0] = {}) {
  const { found, cpuMs } = room.look(more);
  expect(cpuMs).toBeLessThan(QUICK_MS);
  return found;
}

/** Looks page by page until it is refused. @returns the reason. */
function refused(room: OutboundRoom): string {
  let cursor = room.options.cursor;
  for (let page = 0; page < 5; page++) {
    const before = process.threadCpuUsage();
    try {
      const { found } = room.look({ cursor });
      if (typeof found === 'string' || !found.more) throw new Error(`it was taken: ${JSON.stringify(found)}`);
      cursor = { file: found.file, seq: found.messages.at(-1)?.seq ?? 0, usage: 0, epoch: 0 };
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before);
      expect((user + system) / 1000).toBeLessThan(QUICK_MS);
      expect(error).toBeInstanceOf(OutboundInvalid);
      return (error as Error).message;
    }
  }
  throw new Error('it never came to an end');
}

/** Through the back door: what SQLite itself would not let anybody write. */
function schema(room: OutboundRoom, sql: string): void {
  const db = new Database(room.path);
  db.unsafeMode();
  db.pragma('writable_schema = ON');
  db.exec(sql);
  db.close();
}

test('what a proper runner wrote is read', () => {
  const room = openOutboundRoom();
  expect(quickLook(room)).toMatchObject({
    file: 'f',
    epoch: 5,
    messages: [{ seq: 1, id: 'r1', text: 'text of r1', answers: ['m1'] }],
    claims: [{ message: 'm1', status: 'done' }],
    more: false,
  });
  expect(quickLook(room, { cursor: { file: 'f', seq: 1, usage: 0, epoch: 0 } })).toMatchObject({
    messages: [],
  });
  expect(quickLook(room, { cursor: { file: 'another', seq: 1, usage: 0, epoch: 0 } })).toMatchObject({
    messages: [{ id: 'r1' }],
  });
});

describe('in the place of the file', () => {
  test.each<[string, (room: OutboundRoom) => void, RegExp]>([
    [
      'a link to another file',
      ({ path, root }) => swap(path, (at) => symlinkSync(join(root, 'elsewhere'), at)),
      /regular/,
    ],
    ['a link to /etc/passwd', ({ path }) => swap(path, (at) => symlinkSync('/etc/passwd', at)), /regular/],
    ['a link to nothing', ({ path }) => swap(path, (at) => symlinkSync('/nowhere', at)), /regular/],
    ['a folder', ({ path }) => swap(path, mkdirSync), /regular/],
    ['a FIFO', ({ path }) => swap(path, makeFifo), /regular/],
    ['a second name of a file', ({ path, root }) => linkSync(path, join(root, 'other')), /one link/],
    ['a text', ({ path }) => writeFileSync(path, 'root:x:0:0\n'.repeat(1000)), /cannot be read/],
    ['10 GB of nothing', ({ path }) => truncateSync(path, 10e9), /bytes/],
    ['half of it', ({ path }) => truncateSync(path, 10_000), /cannot be read/],
  ])('%s', (_, spoil, reason) => {
    const room = openOutboundRoom();
    writeFileSync(join(room.root, 'elsewhere'), readFileSync(room.path));
    spoil(room);
    expect(refused(room)).toMatch(reason);
  });

  test.each(['a link', 'a FIFO', 'a folder'])('of its journal: %s', (kind) => {
    const room = openOutboundRoom();
    const journal = `${room.path}-journal`;
    rmSync(journal, { force: true });
    if (kind === 'a link') symlinkSync('/etc/passwd', journal);
    if (kind === 'a FIFO') makeFifo(journal);
    if (kind === 'a folder') mkdirSync(journal);
    expect(refused(room)).toMatch(/outbound\.db-journal is not a regular file/);
  });

  test('of its folder: a link', () => {
    const room = openOutboundRoom();
    const other = openOutboundRoom();
    rmSync(room.out, { recursive: true });
    symlinkSync(other.out, room.out);
    expect(refused(room)).toMatch(/regular/);
  });

  test('nothing, and an empty file', () => {
    const room = openOutboundRoom();
    truncateSync(room.path, 0);
    expect(quickLook(room)).toBe('absent');
    unlinkSync(room.path);
    expect(quickLook(room)).toBe('absent');
    rmSync(room.out, { recursive: true });
    expect(quickLook(room)).toBe('absent');
  });

  test('now the file and now a FIFO, a thousand times a second: no look ever waits', async () => {
    const room = openOutboundRoom();
    makeFifo(`${room.path}.fifo`);
    writeFileSync(`${room.path}.good`, readFileSync(room.path));
    const swap = `const fs = require('node:fs'); const [path] = process.argv.slice(1);
      for (;;) for (const kind of ['fifo', 'good']) { fs.renameSync(path + '.' + kind, path + '.x'); fs.linkSync(path + '.x', path + '.y'); fs.renameSync(path + '.y', path); fs.renameSync(path + '.x', path + '.' + kind); }`;
    const child = spawn(process.execPath, ['-e', swap, room.path], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ends = new Map<string, number>();
    for (let look = 0; look < 2000 && (ends.get('refused') ?? 0) < 20; look++) {
      const end = endOf(room);
      ends.set(end, (ends.get(end) ?? 0) + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(ends.get('refused')).toBeGreaterThan(0);
  });
});

function endOf(room: OutboundRoom): string {
  try {
    const { found } = room.look();
    return typeof found === 'string' ? found : 'read';
  } catch {
    return 'refused';
  }
}

describe('locks and journals', () => {
  test('WAL in the header: nothing is made beside it', () => {
    const room = openOutboundRoom();
    room.patch((bytes) => bytes.fill(2, 18, 20));
    expect(refused(room)).toMatch(/WAL/);
    room.patch((bytes) => bytes.fill(1, 18, 19));
    expect(refused(room)).toMatch(/cannot be read/);
    expect(() => readFileSync(`${room.path}-wal`)).toThrow('ENOENT');
    expect(() => readFileSync(`${room.path}-shm`)).toThrow('ENOENT');
  });

  test('a lock is not waited for', async () => {
    const room = openOutboundRoom();
    const lock = `const db = require('better-sqlite3')(process.argv[1]); db.exec('BEGIN EXCLUSIVE'); console.log('locked'); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['-e', lock, room.path], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(quickLook(room)).toBe('busy');
  });

  test('a hot journal is not rolled back, whatever it names', () => {
    const room = openOutboundRoom();
    const victim = join(room.root, 'victim');
    writeFileSync(victim, 'still here');
    const before = readFileSync(room.path);
    const journal = hotJournal(victim);
    writeFileSync(`${room.path}-journal`, journal);
    expect(quickLook(room)).toBe('hot-journal');
    expect(readFileSync(room.path)).toEqual(before);
    expect(readFileSync(`${room.path}-journal`)).toEqual(journal);
    expect(readFileSync(victim, 'utf8')).toBe('still here');
  });
});

describe('the schema', () => {
  const endless = 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)';
  const columns = 'id, epoch, kind, in_reply_to, destination, body, created_at';

  test.each<[string, string, RegExp]>([
    [
      'a view that never ends',
      `DROP TABLE messages; CREATE VIEW messages AS ${endless} SELECT x AS seq, ${columns
        .split(', ')
        .map((name) => `1 AS ${name}`)
        .join(', ')} FROM n`,
      /messages is not an ordinary table/,
    ],
    [
      'a virtual table',
      `DROP TABLE messages; CREATE VIRTUAL TABLE messages USING fts5(seq, ${columns})`,
      /messages is no table/,
    ],
    [
      'a generated column',
      'ALTER TABLE messages ADD COLUMN extra TEXT AS (hex(randomblob(1e8)))',
      /generated/,
    ],
    ['a missing column', 'ALTER TABLE claims DROP COLUMN error', /column claims\.error is missing/],
    [
      'rows without numbers',
      `DROP TABLE messages; CREATE TABLE messages (seq INTEGER PRIMARY KEY, ${columns}) WITHOUT ROWID`,
      /rowid/,
    ],
    [
      'a seq that is not the number of its row',
      `DROP TABLE messages; CREATE TABLE messages (seq, ${columns}); INSERT INTO messages (rowid, seq) VALUES (1, 7)`,
      /messages\.seq is not its primary key/,
    ],
    [
      'a column named rowid',
      `DROP TABLE messages; CREATE TABLE messages (seq INTEGER PRIMARY KEY, rowid, ${columns})`,
      /a column of the name rowid/,
    ],
    [
      'claims that have to be searched',
      'CREATE TABLE c AS SELECT * FROM claims; DROP TABLE claims; ALTER TABLE c RENAME TO claims',
      /the primary key of claims/,
    ],
    [
      'names that do not say what they name',
      `UPDATE sqlite_schema SET sql = replace(sql, 'TABLE messages', 'TABLE others') WHERE name = 'messages';
       INSERT INTO sqlite_schema VALUES ('table', 'others', 'others', 3, 'CREATE VIRTUAL TABLE messages USING fts5(seq, ${columns})')`,
      /cannot be read|is no table/,
    ],
    ['nonsense', "UPDATE sqlite_schema SET sql = 'CREATE TABLE (((' WHERE name = 'memory'", /cannot be read/],
  ])('%s', (_, sql, reason) => {
    const room = openOutboundRoom();
    schema(room, sql);
    expect(refused(room)).toMatch(reason);
  });

  test('a table that is missing may be just about to be made', () => {
    const room = openOutboundRoom();
    schema(room, 'DROP TABLE usage');
    expect(quickLook(room)).toBe('absent');
  });

  test('triggers, views and indices beside the tables do no harm, and do not run', () => {
    const room = openOutboundRoom();
    room.write((db) => {
      db.exec(`CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM claims; END;
               CREATE VIEW v AS ${endless} SELECT * FROM n; CREATE INDEX i ON messages (hex(body));
               CREATE TABLE own (x)`);
    });
    expect(quickLook(room)).toMatchObject({ messages: [{ id: 'r1' }], claims: [{ status: 'done' }] });
  });

  test('what cannot be read in a bounded time is left to a process that can be killed', () => {
    const many = openOutboundRoom();
    many.write((db) => {
      for (let i = 0; i < 300; i++) db.exec(`CREATE TABLE t${i} (x)`);
    });
    expect(quickLook(many)).toBe('exceeds');

    const bomb = openOutboundRoom();
    bomb.patch((bytes) => bombSchema(bytes, (cell) => cell.includes('sqlite_autoindex_messages_1')));
    expect(quickLook(bomb)).toBe('exceeds');

    const statistics = openOutboundRoom();
    statistics.write((db) => db.exec('ANALYZE'));
    expect(quickLook(statistics)).toBe('exceeds');
  });
});

describe('rows', () => {
  test.each<[string, (db: Database.Database) => void, RegExp]>([
    ['a seq of 2^63−1', (db) => say(db, 'r2', { seq: 2n ** 63n - 1n }), /2\^53/],
    ['an epoch of the future', (db) => say(db, 'r2', { epoch: 6 }), /out of order/],
    ['an epoch that falls', (db) => say(db, 'r2', { epoch: 4 }), /out of order/],
    ['an epoch in words', (db) => say(db, 'r2', { epoch: 'five' }), /epoch/],
    ['an epoch of a megabyte', (db) => say(db, 'r2', { epoch: 'x'.repeat(1e6) }), /epoch/],
    ['an id of 200 kB', (db) => say(db, 'x'.repeat(2e5), { body: '{}' }), /id/],
    ['an id with a slash', (db) => say(db, '../../x'), /id/],
    ['an id in bytes', (db) => say(db, Buffer.from('r2')), /id/],
    ['a body of bytes', (db) => say(db, 'r2', { body: Buffer.from('{}') }), /body/],
    ['a body that is no JSON', (db) => say(db, 'r2', { body: 'hello' }), /body/],
    ['a body of 1.9 MB', (db) => say(db, 'r2', { body: `"${'x'.repeat(1.9e6)}"` }), /too long/],
    ['answers without end', (db) => say(db, 'r2', { body: `{"answers":[${'1,'.repeat(3e4)}1]}` }), /answers/],
    ['a runner of the future', (db) => db.exec('UPDATE runner SET epoch = 6'), /future/],
    ['another session', (db) => db.exec("UPDATE runner SET session = 'other'"), /another session/],
    ['a file_id of a megabyte', (db) => db.exec('UPDATE runner SET file_id = hex(zeroblob(5e5))'), /file_id/],
    ['parts of a claim', (db) => db.exec("UPDATE claims SET status = 'perhaps'"), /status/],
    [
      'more rows than anybody waits for',
      (db) =>
        db.exec(`WITH RECURSIVE n(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n WHERE x < 10100)
          INSERT INTO messages SELECT x, 'r' || x, 5, 'chat', NULL, NULL, '{}', 0 FROM n`),
      /more than 10000 messages/,
    ],
  ])('%s', (_, spoil, reason) => {
    const room = openOutboundRoom();
    room.write(spoil);
    expect(refused(room)).toMatch(reason);
  });

  test('an epoch that falls from one look to the next', () => {
    const room = openOutboundRoom();
    room.write((db) => say(db, 'r2', { epoch: 4 }));
    expect(() => room.look({ cursor: { file: 'f', seq: 1, usage: 0, epoch: 5 } })).toThrow(/out of order/);
    // Nor in a file that was put in its place.
    expect(() => room.look({ cursor: { file: 'another', seq: 9, usage: 0, epoch: 6 } })).toThrow(
      /out of order/,
    );
  });

  test('a reason of a megabyte is not read, and the claim counts', () => {
    const room = openOutboundRoom();
    room.write((db) => db.exec("UPDATE claims SET status = 'failed', error = hex(zeroblob(5e5))"));
    expect(quickLook(room)).toMatchObject({
      claims: [{ status: 'failed', error: 'The reason is longer than 16 KiB.' }],
    });
  });

  test('a page is bounded in rows, bytes and answers; the claims come with the last one', () => {
    const room = openOutboundRoom();
    const list = (count: number) => JSON.stringify({ answers: Array.from({ length: count }, () => 'm1') });
    room.write((db) => {
      for (let i = 2; i <= 4; i++) say(db, `r${i}`, { body: list(600) });
      for (let i = 5; i <= 10; i++) say(db, `r${i}`, { body: JSON.stringify({ text: 'x'.repeat(50_000) }) });
      for (let i = 11; i <= 200; i++) say(db, `r${i}`);
    });
    const pages: number[] = [];
    for (let seq = 0; ; ) {
      const found = quickLook(room, { cursor: { file: 'f', seq, usage: 0, epoch: 0 } });
      if (typeof found === 'string') throw new Error(found);
      seq = found.messages.at(-1)?.seq ?? seq;
      pages.push(found.messages.length);
      expect(found.claims).toHaveLength(found.more ? 0 : 1);
      if (!found.more) break;
    }
    expect(pages.reduce((sum, count) => sum + count)).toBe(200);
    expect(pages.length).toBeGreaterThanOrEqual(6);
    expect(Math.max(...pages)).toBeLessThanOrEqual(100);
  });

  test('tables whose trees never end', () => {
    for (const table of ['messages', 'usage', 'runner', 'claims', 'sqlite_autoindex_claims_1']) {
      const room = openOutboundRoom();
      room.write((db) => db.exec('INSERT INTO usage (epoch, at) VALUES (5, 0)'));
      const root = rootOf(room.path, table);
      if (table === 'sqlite_autoindex_claims_1') continue;
      room.patch((bytes) => bombTable(bytes, root));
      const began = process.threadCpuUsage();
      try {
        room.look();
      } catch (error) {
        expect(error).toBeInstanceOf(OutboundInvalid);
      }
      expect(process.threadCpuUsage(began).user / 1000).toBeLessThan(QUICK_MS);
    }
  });

  test('bodies made to be slow', () => {
    const bodies = [
      '['.repeat(60_000),
      `[${'[],'.repeat(20_000)}[]]`,
      `{${'"a":{},'.repeat(8000)}"a":1}`,
      `{"files":[${'{},'.repeat(19)}{}]}`,
      JSON.stringify({ answers: Array.from({ length: 1000 }, () => 'x'.repeat(50)) }),
      JSON.stringify({ text: '\u0000'.repeat(10_000) }),
    ];
    for (const body of bodies) {
      const room = openOutboundRoom();
      room.write((db) => say(db, 'r2', { body }));
      const before = process.threadCpuUsage();
      try {
        room.look();
      } catch (error) {
        expect(error).toBeInstanceOf(OutboundInvalid);
      }
      expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(QUICK_MS);
    }
    const large = openOutboundRoom();
    large.write((db) => say(db, 'r2', { body: JSON.stringify({ text: 'x'.repeat(100_000) }) }));
    expect(quickLook(large)).toBe('exceeds');
  });
});

test('a thousand bit-flipped files: each is read, refused or left to another process, and none takes long', () => {
  const room = openOutboundRoom();
  const good = readFileSync(room.path);
  const ends = { read: 0, refused: 0, left: 0 };
  let random = 1;
  const next = (below: number) => {
    random = (random * 48271) % 2147483647;
    return random % below;
  };
  let worst = 0;
  for (let round = 0; round < 1000; round++) {
    const bytes = Buffer.from(good);
    // Half of the flips where it hurts: headers of file and pages.
    for (let flip = 0; flip < 4; flip++) {
      const at = flip % 2 ? next(bytes.length) : next(10) * 4096 + next(120);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << next(8)), at);
    }
    writeFileSync(room.path, bytes);
    const before = process.threadCpuUsage();
    try {
      const { found } = room.look();
      if (typeof found === 'string') ends.left += 1;
      else ends.read += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(OutboundInvalid);
      ends.refused += 1;
    }
    worst = Math.max(worst, process.threadCpuUsage(before).user / 1000);
  }
  expect(ends.read).toBeGreaterThan(0);
  expect(ends.refused).toBeGreaterThan(0);
  expect(worst).toBeLessThan(QUICK_MS);
});

function swap(path: string, make: (path: string) => void): void {
  unlinkSync(path);
  make(path);
}

function makeFifo(path: string): void {
  execFileSync('mkfifo', [path]);
}

function rootOf(path: string, name: string): number {
  const db = new Database(path, { readonly: true });
  try {
    return (
      db.prepare<[string], number>('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(name) ?? 0
    );
  } finally {
    db.close();
  }
}

/** A journal with a header and, at its end, the name of a super-journal: whoever rolls it back deletes that file. */
function hotJournal(names: string): Buffer {
  const name = Buffer.from(names);
  const journal = Buffer.alloc(512 + 4 + name.length + 16);
  Buffer.from('d9d505f920a163d7', 'hex').copy(journal);
  journal.writeUInt32BE(0, 8);
  journal.writeUInt32BE(512, 20);
  journal.writeUInt32BE(4096, 24);
  name.copy(journal, 516);
  journal.writeUInt32BE(name.length, 516 + name.length);
  journal.writeUInt32BE(
    name.reduce((sum, byte) => sum + byte, 0),
    520 + name.length,
  );
  Buffer.from('d9d505f920a163d7', 'hex').copy(journal, 524 + name.length);
  return journal;
}
