import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

interface Row {
  text?: string;
  destination?: string | null;
  inReplyTo?: string | null;
  question?: { options: string[] };
}

let seq = 0;
const row = (id: string, { text = id, destination = null, inReplyTo = null, question }: Row = {}) => ({
  ...{ seq: ++seq, epoch: 1, id, kind: 'chat', inReplyTo, destination, text, answers: [], silent: false },
  ...{ files: [], fileProblem: null, question },
});

const collect = (session: string, messages: ReturnType<typeof row>[], file = 'file1') =>
  room.writer.run('collect', { session, file, messages, claims: [], usage: [], now: 2000 });

/** A table of the session's `inbound.db`. */
async function told<T>(session: string, sql: string): Promise<T[]> {
  await room.writer.run('describe', { session, body: {} as never }); // what waits is written
  const db = new Database(room.inbound(session), { readonly: true });
  try {
    return db.prepare<[], T>(sql).all();
  } finally {
    db.close();
  }
}
const names = (session: string) =>
  told<{ name: string; is_default: number }>(
    session,
    'SELECT name, is_default FROM destinations ORDER BY name',
  );
const refusals = (session: string) =>
  told<{ out_id: string; detail: string }>(
    session,
    "SELECT out_id, detail FROM receipts WHERE status = 'refused'",
  );

test('the session of a chat may send there alone', async () => {
  const { session } = await room.accept('hello', { chat: 'one' });
  await room.accept('hello', { chat: 'two' });
  await room.wake(session);
  expect(await names(session)).toEqual([{ name: 'test:one', is_default: 1 }]);
  const { events } = await collect(session, [
    row('home', { destination: 'test:one' }),
    row('away', { destination: 'test:two' }),
    row('nowhere', { destination: 'one' }),
  ]);
  expect(events.map(({ chat, body }) => [chat, body.text])).toEqual([['one', 'home']]);
  await expect
    .poll(() => refusals(session), { timeout: 5000 })
    .toEqual([
      { out_id: 'away', detail: 'this session has no destination "test:two"' },
      { out_id: 'nowhere', detail: 'this session has no destination "one"' },
    ]);
});

test('what a thread’s session says of itself appears in its thread', async () => {
  const { session } = await room.accept('hello', { chat: 'one', thread: 'plans', sessionThread: 'plans' });
  await room.wake(session);
  const { events } = await collect(session, [row('unasked'), row('there', { destination: 'test:one' })]);
  expect(events).toMatchObject([{ thread: 'plans' }, { thread: 'plans' }]);
});

test('a session of all chats is told of each new one, and may send there', async () => {
  const shared = { shared: true };
  const { session, message } = await room.accept('hello', { ...shared, chat: 'one' });
  await room.wake(session);
  expect(await names(session)).toEqual([{ name: 'test:one', is_default: 0 }]);
  await room.accept('hello', { ...shared, chat: 'two' });
  expect(await names(session)).toHaveLength(2);
  const { events } = await collect(session, [row('r1', { destination: 'test:two', inReplyTo: message })]);
  expect(events).toMatchObject([{ chat: 'two', inReplyTo: null, body: { answers: [] } }]);
});

test('who answered from another chat is told of no failure, whatever became of the message of the turn', async () => {
  const shared = { shared: true };
  for (const stopped of [false, true]) {
    const chats = { asker: `asker ${stopped}`, other: `other ${stopped}` };
    const asked = await room.accept('hello', { ...shared, chat: chats.asker });
    const answer = await room.accept('Blue', { ...shared, chat: chats.other });
    const { session } = asked;
    const command = { name: 'stop', text: 'Stopped.' };
    if (stopped) await room.accept('/stop', { ...shared, chat: chats.asker, command });
    const answers = [asked.message, answer.message];
    const reply = { ...row(`r ${stopped}`, { inReplyTo: asked.message }), answers };
    const claims = answers.map((message) => ({ message, attempt: 1, outcome: { done: true as const } }));
    const page = { session, file: 'file1', messages: [reply], claims, usage: [], now: 2000 };
    const { events, ended } = await room.writer.run('collect', page);
    expect(events.map(({ chat, code }) => [chat, code])).toEqual(stopped ? [] : [[chats.asker, null]]);
    expect(ended).toEqual(stopped ? [answer.message] : answers);
  }
});

test('a chat whose message is refused is no destination; who was accepted with it is', async () => {
  const { session } = await room.accept('hello', { shared: true, chat: 'one' });
  await room.wake(session);
  const results = await Promise.allSettled([
    room.accept('hello', { shared: true, chat: 'two' }),
    room.accept('hello', { shared: true, chat: 'three', maxQueue: 1 }),
  ]);
  expect(results).toMatchObject([{ status: 'fulfilled' }, { reason: { code: 'E_QUEUE_FULL' } }]);
  expect((await names(session)).map(({ name }) => name)).toEqual(['test:one', 'test:two']);
});

test('a question is known by its row, in its chat alone, and appears once', async () => {
  const { session } = await room.accept('hello', { chat: 'one' });
  const question = { options: ['Red'] };
  expect((await collect(session, [row('q_1', { question })])).events).toMatchObject([{ body: { question } }]);
  expect((await collect(session, [row('q_1', { question })], 'file2')).events).toEqual([]);
  await collect(session, [row('r1')]);
  const chat = room.reads.chat('test', 'echo', 'one')?.id ?? 0;
  expect(room.reads.isQuestion(chat, session, 'q_1')).toBe(true);
  expect(room.reads.isQuestion(chat, session, 'r1')).toBe(false);
  expect(room.reads.isQuestion(chat + 1, session, 'q_1')).toBe(false);
  expect(room.reads.isQuestion(chat, 's_other', 'q_1')).toBe(false);
});

test('of what answers nothing, 600 rows a minute are taken and the rest refused; answers are always taken', async () => {
  const { session, message } = await room.accept('hello');
  await room.wake(session);
  const flood = Array.from({ length: 605 }, (_, n) => row(`m${n}`));
  const answer = { ...row('answer', { inReplyTo: message }), answers: [message] };
  const { events } = await room.writer.run('collect', {
    ...{ session, file: 'file1', messages: [...flood, answer], claims: [], usage: [], now: 2000 },
  });
  expect(events).toHaveLength(601);
  await expect
    .poll(async () => (await refusals(session))[0], { timeout: 5000 })
    .toMatchObject({
      out_id: 'm600',
      detail: expect.stringMatching(/^E_REQUEST_LIMIT/),
    });
});
