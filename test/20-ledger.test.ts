import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { lockDataFolder } from '../src/ledger/data-lock.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

const done = (message: string) => ({ message, attempt: 1, outcome: { done: true as const } });

function reply(seq: number, answers: string[], more: object = {}) {
  const id = `row${seq}`;
  return {
    seq,
    epoch: 1,
    id,
    kind: 'chat',
    inReplyTo: answers.at(-1) ?? null,
    destination: null,
    text: `reply ${seq}`,
    answers,
    silent: false,
    files: [],
    fileProblem: null,
    ...more,
  };
}

function collect(session: string, messages: ReturnType<typeof reply>[], claims: object[], file = 'file1') {
  return room.writer.run('collect', {
    session,
    file,
    messages,
    claims: claims as never,
    usage: [],
    now: 2000,
  });
}

describe('accepting', () => {
  test('the same dedup key twice is one message, also after a restart', async () => {
    const first = await room.accept('hello', { dedup: 'k1' });
    const again = await room.accept('hello', { dedup: 'k1' });
    await room.reopen();
    const later = await room.accept('hello', { dedup: 'k1' });
    expect(again).toMatchObject({ message: first.message, duplicate: true });
    expect(later).toMatchObject({ message: first.message, duplicate: true });
    expect(room.reads.session(first.session)?.queue).toBe(1);
  });

  test('the same key with other content is refused, in another chat it is another message', async () => {
    await room.accept('hello', { dedup: 'k1' });
    await expect(room.accept('other', { dedup: 'k1' })).rejects.toMatchObject({ code: 'E_DUPLICATE_ID' });
    expect(await room.accept('other', { dedup: 'k1', chat: 'd' })).toMatchObject({ duplicate: false });
  });

  test('one that is refused takes nobody with it who waits for the same commit', async () => {
    await room.accept('first', { dedup: 'k1' });
    const results = await Promise.allSettled([
      room.accept('a'),
      room.accept('other', { dedup: 'k1' }),
      room.accept('b'),
      room.accept('c', { maxQueue: 1 }),
      room.accept('d'),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(results[3]).toMatchObject({ reason: { code: 'E_QUEUE_FULL' } });
    expect(room.reads.session('s_c')?.queue).toBe(4);
  });
});

describe('inbound.db', () => {
  function texts(session: string): string[] {
    const db = new Database(room.inbound(session), { readonly: true });
    const rows = db.prepare('SELECT body FROM messages ORDER BY seq').all() as { body: string }[];
    db.close();
    return rows.map(({ body }) => (JSON.parse(body) as { text: string }).text);
  }

  test('gets what waits at the wake, and what comes after it', async () => {
    const { session } = await room.accept('one');
    await room.accept('two');
    const ticket = await room.wake(session);
    expect(ticket).toMatchObject({ epoch: 1, waiting: [{ wake: true }, { wake: true }] });
    await room.accept('three');
    await room.writer.run('markSent', { events: [], now: 1 });
    expect(texts(session)).toEqual(['one', 'two', 'three']);
  });

  test('is rebuilt from the ledger when it is lost, without what is answered', async () => {
    const { session, message } = await room.accept('one');
    await room.accept('two');
    await room.wake(session);
    await collect(session, [reply(1, [message])], [done(message)]);
    await room.writer.run('sleep', { session, epoch: 1, now: 3000, from: 'waking' });
    rmSync(room.inbound(session));
    expect(await room.wake(session)).toMatchObject({ epoch: 2, cursor: { file: 'file1', seq: 1 } });
    expect(texts(session)).toEqual(['two']);
  });

  test('a session is woken once, however many ask', async () => {
    const { session } = await room.accept('one');
    const tickets = await Promise.all([room.wake(session), room.wake(session), room.wake(session)]);
    expect(tickets.filter(Boolean)).toHaveLength(1);
  });

  test('a stop for idleness loses against a message that came first', async () => {
    const { session, message } = await room.accept('one');
    await room.wake(session);
    const step = { session, epoch: 1, now: 2000 };
    await room.writer.run('change', { ...step, from: 'waking', to: 'awake' });
    expect(await room.writer.run('beginStop', { ...step, from: 'awake' })).toBe(false);
    await collect(session, [reply(1, [message])], [done(message)]);
    expect(await room.writer.run('beginStop', { ...step, epoch: 7, from: 'awake' })).toBe(false);
    expect(await room.writer.run('beginStop', { ...step, from: 'awake' })).toBe(true);
  });
});

test('the epochs of a session go on where its chat was deleted and begins anew', async () => {
  for (const epoch of [1, 2]) {
    const { session } = await room.accept('hello');
    expect(await room.wake(session)).toMatchObject({ epoch });
    await room.writer.run('sleep', { session, epoch, now: 2000, from: 'waking' });
  }
  const remove = () =>
    room.writer.run('deleteChat', { chatId: room.reads.chat('test', 'echo', 'c')?.id ?? 0 });
  await remove();
  await room.accept('hello');
  await remove(); // before it was woken
  const { session } = await room.accept('hello');
  expect(await room.wake(session)).toMatchObject({ epoch: 3, cursor: { file: null } });
});

describe('collecting', () => {
  test('the same rows again change nothing; events are numbered per chat', async () => {
    const { session, message } = await room.accept('one');
    const two = await room.accept('two');
    const first = await collect(
      session,
      [reply(1, [message]), reply(2, [two.message])],
      [done(message), done(two.message)],
    );
    const again = await collect(session, [reply(1, [message]), reply(2, [two.message])], [done(message)]);
    expect(first.events.map(({ event, body }) => [event, body.text])).toEqual([
      [1, 'reply 1'],
      [2, 'reply 2'],
    ]);
    expect(first.ended).toEqual([message, two.message]);
    expect(again).toEqual({ events: [], ended: [], retries: [], answers: [] });
  });

  test('a row of a file that was made anew is not sent twice under one id', async () => {
    const { session, message } = await room.accept('one');
    await collect(session, [reply(1, [message])], [done(message)]);
    const { events } = await collect(session, [reply(1, [message])], [], 'file2');
    expect(events).toEqual([]);
  });

  test('done without a reply is told as a failure; silent is not', async () => {
    const { session, message } = await room.accept('one');
    const two = await room.accept('two');
    const { events } = await collect(
      session,
      [reply(1, [two.message], { silent: true })],
      [done(message), done(two.message)],
    );
    expect(events).toMatchObject([{ type: 'failure', code: 'E_TURN_NO_REPLY', inReplyTo: message }]);
  });

  test('replies to messages of another session go nowhere', async () => {
    const mine = await room.accept('one');
    const other = await room.accept('two', { chat: 'd' });
    const { events, ended } = await collect(mine.session, [reply(1, [other.message])], [done(other.message)]);
    expect([events, ended]).toEqual([[], []]);
    expect(room.reads.session(other.session)?.queue).toBe(1);
  });
});

test('a data folder has one holder, named to whoever comes second; its death frees it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-lock-'));
  const release = lockDataFolder(folder);
  const program = `import { lockDataFolder } from ${JSON.stringify(new URL('../src/ledger/data-lock.ts', import.meta.url).pathname)};
    try { lockDataFolder(${JSON.stringify(folder)}); console.log('taken'); } catch (error) { console.log(error.code, error.message); }`;
  const tryIt = () =>
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(tryIt()).toContain(`E_DATA_LOCKED the data folder ${folder} is held by process ${process.pid}`);
  void release();
  expect(tryIt()).toBe('taken\n');
  expect(tryIt()).toBe('taken\n');
  rmSync(folder, { recursive: true });
});

describe('an inbound.db that is damaged', () => {
  const damages: [string, (bytes: Buffer) => Buffer][] = [
    ['is no database', () => Buffer.from('nonsense '.repeat(1000))],
    ['has nonsense in its pages', (bytes) => bytes.fill(0xff, 4096)],
    ['ends too early', (bytes) => bytes.subarray(0, 4096)],
  ];

  test.each(damages)(
    'it %s: made anew from the ledger, and no handle of the old one stays',
    async (_, spoil) => {
      const renewed: string[] = [];
      const own = await openLedgerRoom(undefined, { onRenewed: (inbound) => void renewed.push(inbound) });
      onTestFinished(() => own.close());
      const { session, message } = await own.accept('hello');
      const path = own.inbound(session);
      await own.wake(session);
      await own.writer.run('sleep', { session, epoch: 1, now: 2000, from: 'waking' });
      writeFileSync(path, spoil(readFileSync(path)));
      writeFileSync(`${path}-journal`, 'of another life');

      expect(await own.wake(session)).toMatchObject({ epoch: 2, waiting: [{ id: message }] });

      expect(renewed).toEqual([path]);
      const db = new Database(path, { readonly: true });
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(db.prepare('SELECT id FROM messages').pluck().all()).toEqual([message]);
      db.close();
      expect(openFiles().filter((file) => file.startsWith(own.folder) && file.endsWith('(deleted)'))).toEqual(
        [],
      );
    },
  );
});

/** Paths that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the one that listed them
    }
  });
}
