import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { pruneHistory } from '../src/recovery/prune-history.ts';
import { pruneLent } from '../src/recovery/prune-lent.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

const DAY = 86_400_000;
const OLD = 100 * DAY;
const NOW = 200 * DAY;
const GONE = { inbox: 0, outbox: 0, usage: 0 };

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

let seq = 0;
/** Somebody says something at that time and is answered at once, with an account of what it cost. */
async function talk(chat: string, now: number, options: { answered?: boolean; usedAt?: number } = {}) {
  const { session, message } = await room.accept('hello', { chat, now });
  const folders = sessionFolders(room.folder, 'echo', session);
  const row = `row${++seq}`;
  const files = [join(folders.inFiles, message), join(folders.sent, row)];
  for (const folder of files) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'a.txt'), 'a');
  }
  const nothing = { model: null, inputTokens: 1, outputTokens: 1, cacheReadTokens: null };
  const used = { ...nothing, cacheWriteTokens: null, costUsd: null, durationMs: null };
  const result = await room.writer.run('collect', {
    session,
    file: 'file1',
    messages: [
      {
        ...{
          seq,
          id: row,
          epoch: 1,
          kind: 'chat',
          inReplyTo: message,
          destination: null,
          text: 'hi',
          silent: false,
        },
        ...{ answers: [message], files: [{ name: 'a.txt', bytes: 1 }], fileProblem: null },
      },
    ],
    claims: options.answered === false ? [] : [{ message, attempt: 1, outcome: { done: true } }],
    usage: [{ ...used, seq, messageId: message, at: options.usedAt ?? now }],
    now,
  });
  const events = result.events.map(({ n }) => n);
  return { session, message, files, n: events[0] ?? 0 };
}

const sent = (events: number[], now = OLD) =>
  room.writer.run('markSent', { events: events.map((n) => ({ n, platformId: null })), now });

function prune(now = NOW) {
  const clock = { ...systemClock, now: () => now };
  const log = pino({ level: 'silent' });
  const { writer, reads, folder: dataDir } = room;
  return pruneHistory({ writer, reads, clock, log, dataDir, keepMs: 30 * DAY });
}

function count(table: string): number {
  const db = new Database(join(room.folder, 'host.db'), { readonly: true });
  const row = db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number };
  db.close();
  return row.n;
}

test('what was settled long ago goes with its files; what is younger stays', async () => {
  const old = await talk('c', OLD);
  const young = await talk('c', NOW - DAY);
  await sent([old.n, young.n]);
  expect(await prune()).toEqual({ inbox: 1, outbox: 1, usage: 1 });
  expect(old.files.map((folder) => existsSync(folder))).toEqual([false, false]);
  expect(young.files.map((folder) => existsSync(folder))).toEqual([true, true]);
  const chat = room.reads.chat('test', 'echo', 'c');
  expect(room.reads.firstEvent(chat?.id ?? 0)).toBe(2);
  expect(await prune()).toEqual(GONE);
});

test('numbers go on where they were when all events of a chat are gone', async () => {
  const old = await talk('c', OLD);
  await sent([old.n]);
  await prune();
  const chat = room.reads.chat('test', 'echo', 'c');
  expect(chat?.last).toBe(1);
  const next = await talk('c', NOW);
  expect(room.reads.event(next.n)?.event).toBe(2);
});

test('nobody who waits loses anything, however old', async () => {
  const waiting = await talk('c', OLD, { answered: false });
  expect(await prune()).toEqual({ inbox: 0, outbox: 0, usage: 1 });
  expect(room.reads.session(waiting.session)?.queue).toBe(1);
  expect(room.reads.unsentEvents().map(({ n }) => n)).toEqual([waiting.n]);
  expect(waiting.files.map((folder) => existsSync(folder))).toEqual([true, true]);
});

test('an event stays while one before it in its chat stays, so that numbers have no hole', async () => {
  const [one, two, other] = [await talk('c', OLD), await talk('c', OLD), await talk('d', OLD)];
  await sent([two.n, other.n]);
  expect((await prune()).outbox).toBe(1); // of the other chat
  await sent([one.n]);
  expect((await prune()).outbox).toBe(2);
});

test('what was not delivered stays for as long after its end', async () => {
  const { n } = await talk('c', OLD);
  const failed = { to: 'dead', dueAt: null, errorClass: 'permanent', error: 'no' } as const;
  const [notice] = await room.writer.run('failSend', { n, ...failed, now: OLD + 50 * DAY });
  await sent([notice?.n ?? 0]);
  expect((await prune(OLD + 60 * DAY)).outbox).toBe(0);
  await room.writer.run('resend', { events: [n], now: OLD + 85 * DAY });
  await room.writer.run('drop', { events: [n], now: OLD + 85 * DAY });
  expect((await prune(OLD + 100 * DAY)).outbox).toBe(0);
  await prune(OLD + 200 * DAY);
  expect(count('outbox')).toBe(0);
});

test('a container that dates its usage into the future keeps nothing for ever', async () => {
  await talk('c', NOW - DAY, { usedAt: NOW + 1000 * DAY });
  await talk('c', NOW - DAY);
  expect((await prune()).usage).toBe(1);
});

test('files of a message that never came to be go after an hour; those of one that did stay', async () => {
  const { session, message } = await room.accept('hello');
  const { inFiles } = sessionFolders(room.folder, 'echo', session);
  const hoursOld = { [message]: 2, m_lost: 2, m_new: 0.5, other: 2 };
  for (const [name, hours] of Object.entries(hoursOld)) {
    const folder = join(inFiles, name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '1-a.txt'), 'a');
    const at = Date.now() / 1000 - hours * 3600;
    await utimes(folder, at, at);
  }
  const deps = { reads: room.reads, clock: systemClock, dataDir: room.folder };
  expect(await pruneLent(deps)).toBe(1);
  expect((await readdir(inFiles)).sort()).toEqual([message, 'm_new', 'other'].sort());
});

test('many rows go page by page, also behind a page of those that stay, and messages pass between', async () => {
  const db = new Database(join(room.folder, 'host.db'));
  await talk('c', OLD, { answered: false });
  const copies = (
    status: string,
  ) => `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 500)
    INSERT INTO inbox (id, session, seq, chat_id, content_hash, kind, body, status, due_at, created_at, ended_at)
    SELECT '${status}' || n, session, (SELECT max(seq) FROM inbox) + n, chat_id, '', kind, body, '${status}', 0, ${OLD},
      iif('${status}' = 'waiting', NULL, ${OLD}) FROM inbox, i WHERE seq = 1`;
  db.exec(copies('waiting'));
  db.exec(copies('answered'));
  db.close();
  const pruning = prune();
  await room.accept('hello', { chat: 'other', now: NOW });
  expect(count('inbox')).toBeGreaterThan(600); // it was taken while the walk had hardly begun
  expect((await pruning).inbox).toBe(500);
  expect(count('inbox')).toBe(502);
});
