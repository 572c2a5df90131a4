import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openMailboxFile } from '../contract/open-mailbox-file.ts';
import { createMemoryReader } from '../src/mailbox/read-memories.ts';
import { backUp } from '../src/recovery/back-up.ts';
import { type CopyCount, copyTree } from '../src/recovery/copy-tree.ts';
import { restore } from '../src/recovery/restore.ts';
import { openDeliveryRoom } from './fixtures/delivery-room.ts';
import { recordingChannel } from './fixtures/recording-channel.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-backup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('copying a folder of a container', () => {
  let from: string;
  let to: string;
  const copy = () => {
    const count: CopyCount = { files: 0, bytes: 0, skipped: [] };
    copyTree(from, to, count);
    return count;
  };
  beforeEach(() => {
    [from, to] = [join(root, 'from'), join(root, 'to')];
    mkdirSync(from);
  });

  test('files, folders, links, modes and odd names', async () => {
    mkdirSync(join(from, 'a', 'b'), { recursive: true });
    writeFileSync(join(from, 'a', 'b', 'run'), 'run', { mode: 0o750 });
    writeFileSync(Buffer.from(`${from}/\xff\xfe`, 'latin1'), 'no UTF-8');
    symlinkSync('a/b', join(from, 'link'));
    expect(copy()).toEqual({ files: 2, bytes: 11, skipped: [] });
    expect(readFileSync(join(to, 'link', 'run'), 'utf8')).toBe('run');
    expect(lstatSync(join(to, 'a', 'b', 'run')).mode & 0o777).toBe(0o750);
    expect(readFileSync(Buffer.from(`${to}/\xff\xfe`, 'latin1'), 'utf8')).toBe('no UTF-8');
    expect(await readdir(to)).toHaveLength(3);
  });

  test('a link to elsewhere stays a link: nothing behind it is copied', () => {
    symlinkSync('/etc/passwd', join(from, 'passwd'));
    symlinkSync('/etc', join(from, 'etc'));
    expect(copy()).toEqual({ files: 0, bytes: 0, skipped: [] });
    expect(readlinkSync(join(to, 'passwd'))).toBe('/etc/passwd');
    expect(lstatSync(join(to, 'etc')).isSymbolicLink()).toBe(true);
  });

  test('pipes are left out and said, and nobody waits for them', () => {
    execFileSync('mkfifo', [join(from, 'pipe')]);
    expect(copy().skipped).toEqual([{ path: 'pipe', why: 'it is neither a file nor a folder nor a link' }]);
  });

  test('a file of holes takes no room', () => {
    writeFileSync(join(from, 'sparse'), '');
    truncateSync(join(from, 'sparse'), 100 * 1024 * 1024);
    expect(copy()).toMatchObject({ files: 1, bytes: 100 * 1024 * 1024 });
    expect(lstatSync(join(to, 'sparse'))).toMatchObject({ size: 100 * 1024 * 1024, blocks: 0 });
  });

  test('a tree without end is cut and said', () => {
    mkdirSync(join(from, ...Array.from({ length: 250 }, () => 'd')), { recursive: true });
    expect(copy().skipped).toMatchObject([{ why: 'it lies more than 200 folders deep' }]);
  });

  test('a folder that is not there is empty', () => {
    rmSync(from, { recursive: true });
    expect(copy()).toEqual({ files: 0, bytes: 0, skipped: [] });
  });
});

describe("a runner's memory", () => {
  const path = () => join(root, 'outbound.db');
  async function read() {
    const reader = createMemoryReader();
    try {
      return await reader.read(path());
    } finally {
      reader.close();
    }
  }
  const made = (sql: string) => {
    const db = new Database(path());
    db.exec(sql);
    db.close();
  };

  test('is read as it stands; no file and an empty one have none', async () => {
    expect(await read()).toBeNull();
    writeFileSync(path(), '');
    expect(await read()).toBeNull();
    const db = openMailboxFile(path(), 'outbound', 0);
    db.exec("INSERT INTO memory VALUES ('a', 'b'), ('c', '')");
    db.close();
    expect(await read()).toEqual([
      ['a', 'b'],
      ['c', ''],
    ]);
  });

  test('a writer in mid-commit is waited for', async () => {
    const db = openMailboxFile(path(), 'outbound', 0);
    db.exec("BEGIN EXCLUSIVE; INSERT INTO memory VALUES ('a', 'b')");
    const reading = read();
    setTimeout(() => db.exec('COMMIT'), 300);
    expect(await reading).toEqual([['a', 'b']]);
    db.close();
  });

  const wrong: [what: string, make: () => void, why: RegExp][] = [
    ['a text file', () => writeFileSync(path(), 'x'.repeat(10_000)), /not a database/],
    ['a pipe', () => execFileSync('mkfifo', [path()]), /regular file/],
    ['a link', () => symlinkSync('/etc/passwd', path()), /regular file/],
    [
      'a view without end',
      () =>
        made(`CREATE VIEW memory AS WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n FROM i)
        SELECT 'a' AS key, 'b' AS value FROM i WHERE n < 0`),
      /not an ordinary table/,
    ],
    [
      'a generated column',
      () => made('CREATE TABLE memory (key TEXT, value TEXT AS (hex(zeroblob(100000000))))'),
      /not an ordinary table/,
    ],
    [
      'a value that is too large',
      () =>
        made(
          "CREATE TABLE memory (key TEXT, value TEXT); INSERT INTO memory VALUES ('a', hex(zeroblob(1000000)))",
        ),
      /too large/,
    ],
    [
      'a WAL header',
      () => made('PRAGMA journal_mode = WAL; CREATE TABLE memory (key TEXT, value TEXT)'),
      /./,
    ],
  ];
  test.each(wrong)('%s is refused with words', async (_what, make, why) => {
    make();
    await expect(read()).rejects.toThrow(why);
  });
});

describe('a restored host', () => {
  const places = (dataDir: string) => ({
    dataDir,
    groupsDir: join(root, 'groups'),
    folder: join(root, 'backup'),
  });
  beforeEach(() => mkdirSync(join(root, 'backup')));

  test('gives a platform and the readers of a chat no number a second time, however often', async () => {
    const platform = recordingChannel('keyed', true);
    let room = await openDeliveryRoom({ channels: [platform] });
    const said: string[] = [];
    const numbers: number[] = [];
    async function say(text: string) {
      const [row] = await room.reply('keyed', [text]);
      await room.until(row?.n, 'sent');
      said.push(text);
      numbers.push(row?.event ?? 0);
    }
    await say('before');
    await backUp(places(room.ledger.folder), () => undefined);
    await say('after');
    for (const life of ['one', 'two']) {
      const { folder: dataDir } = room.ledger;
      const restored = join(root, life);
      await restore(places(restored));
      room = await room.crash({ folder: restored });
      rmSync(dataDir, { recursive: true });
      await say(`restored ${life}`);
    }
    expect(platform.shown('keyed')).toEqual(said);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(platform.offences).toEqual([]);
    await room.close();
  });

  test('also where there was no event yet', async () => {
    const platform = recordingChannel('keyed', true);
    let room = await openDeliveryRoom({ channels: [platform] });
    await backUp(places(room.ledger.folder), () => undefined);
    const lost = room.ledger.folder;
    const [first] = await room.reply('keyed', ['after']);
    await room.until(first?.n, 'sent');
    await restore(places(join(root, 'data')));
    room = await room.crash({ folder: join(root, 'data') });
    rmSync(lost, { recursive: true });
    const [next] = await room.reply('keyed', ['restored']);
    await room.until(next?.n, 'sent');
    expect(platform.shown('keyed')).toEqual(['after', 'restored']);
    await room.close();
  });
});
