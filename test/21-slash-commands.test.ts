import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { slashCommand } from '../src/inbound/slash-command.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

describe('what is a command to the host', () => {
  test.each([
    ['/stop', 'stop'],
    ['  /NEW\n', 'new'],
    ['/status', 'status'],
    ['/help', 'help'],
    ['/help me', undefined],
    ['/compact', undefined],
    ['stop', undefined],
    ['please /stop', undefined],
    ['/', undefined],
    ['', undefined],
  ])('%j is %s', (text, command) => expect(slashCommand({ text })).toBe(command));

  test('not what comes with a file', () => {
    expect(slashCommand({ text: '/new', files: [{ upload: 'u', name: 'a' }] })).toBeUndefined();
  });
});

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

const stop = { name: 'stop', text: 'Stopped.', whenIdle: 'There is nothing to stop.' };
const session = 's_c';
const said = async (chat = 'c') => {
  const row = room.reads.chat('test', 'echo', chat);
  return room.reads.events(row?.id ?? 0, 0, 100).map(({ code, body }) => code ?? body.text);
};

function inboundRows<T>(sql: string): T[] {
  const db = new Database(room.inbound(session), { readonly: true });
  try {
    return db.prepare(sql).all() as T[];
  } finally {
    db.close();
  }
}

describe('/stop', () => {
  test('ends what waits in its chat and thread, tells each sender, and reaches the runner with the removals', async () => {
    const first = await room.accept('one');
    const ticket = await room.wake(session);
    await room.writer.run('change', { session, epoch: 1, now: 1000, from: 'waking', to: 'awake' });
    const second = await room.accept('two');
    const elsewhere = await room.accept('three', { thread: 't' });
    const stopped = await room.accept('/stop', { command: stop });

    expect(ticket?.epoch).toBe(1);
    expect(stopped.stopped).toEqual([first.message, second.message]);
    expect(stopped.events.map(({ inReplyTo }) => inReplyTo)).toEqual([
      first.message,
      second.message,
      stopped.message,
    ]);
    expect(await said()).toEqual(['E_TURN_ABORTED', 'E_TURN_ABORTED', 'Stopped.']);
    expect(room.reads.session(session)?.queue).toBe(1);
    await expect.poll(() => inboundRows('SELECT id FROM messages')).toEqual([{ id: elsewhere.message }]);
    const controls = inboundRows<{ verb: string; epoch: number; body: string }>(
      'SELECT verb, epoch, body FROM controls',
    );
    expect(controls.map(({ verb, epoch, body }) => [verb, epoch, JSON.parse(body).message_id])).toEqual([
      ['abort', 1, first.message],
      ['abort', 1, second.message],
    ]);
  });

  test('reaches a runner that is just waking, or just thawed', async () => {
    const first = await room.accept('one');
    await room.wake(session);
    await room.accept('/stop', { command: stop });
    await expect.poll(() => inboundRows('SELECT id FROM messages')).toEqual([]);
    const aborted = () =>
      inboundRows<{ verb: string; body: string }>('SELECT verb, body FROM controls').flatMap(
        ({ verb, body }) => (verb === 'abort' ? [JSON.parse(body).message_id] : []),
      );
    expect(aborted()).toEqual([first.message]);

    const step = { session, epoch: 1, now: 1000 };
    await room.writer.run('change', { ...step, from: 'waking', to: 'awake' });
    await room.writer.run('beginFreeze', step);
    await room.writer.run('beginPause', step);
    const kept = await room.accept('two');
    const paused = room.writer.run('paused', { session });
    const late = await room.accept('three');
    await room.accept('/stop', { command: stop });
    await paused;
    await expect.poll(aborted).toEqual([first.message, kept.message, late.message]);
    expect(inboundRows('SELECT id FROM messages')).toEqual([]);
  });

  test('does not take a park back', async () => {
    const { message } = await room.accept('one');
    await room.wake(session);
    const step = { session, epoch: 1, now: 1000 };
    await room.writer.run('change', { ...step, from: 'waking', to: 'awake' });
    const claims = [{ message, attempt: 1, outcome: { retryAt: 5000 } }];
    await room.writer.run('collect', { session, file: 'f', messages: [], claims, usage: [], now: 1000 });
    await room.writer.run('beginFreeze', step);
    const { stopped } = await room.accept('/stop', { command: stop });
    expect(stopped).toEqual([message]);
    expect(room.reads.session(session)?.state).toBe('freezing');
    await room.writer.run('installId');
    expect(inboundRows('SELECT verb FROM controls')).toEqual([{ verb: 'park' }]);
  });

  test('what the agent still says of a stopped message is not taken, and told as refused', async () => {
    const { message } = await room.accept('one');
    await room.accept('/stop', { command: stop });
    const reply = {
      seq: 1,
      id: 'late',
      epoch: 1,
      kind: 'chat',
      inReplyTo: message,
      destination: null,
      text: 'late',
    };
    const rest = { answers: [message], silent: false, files: [], fileProblem: null };
    const claims = [{ message, attempt: 1, outcome: { done: true as const } }];
    const messages = [{ ...reply, ...rest }];
    const taken = await room.writer.run('collect', {
      session,
      file: 'f',
      messages,
      claims,
      usage: [],
      now: 2000,
    });
    expect(taken.events).toEqual([]);
    expect(await said()).toEqual(['E_TURN_ABORTED', 'Stopped.']);
    await room.wake(session);
    expect(inboundRows('SELECT out_id, status, detail FROM receipts')).toEqual([
      { out_id: 'late', status: 'refused', detail: 'its message was stopped' },
    ]);
  });

  test('with nothing to stop says so; is not held up by a full queue; the same id again does nothing', async () => {
    expect((await room.accept('/stop', { command: stop, dedup: 'k' })).stopped).toEqual([]);
    await room.accept('one', { maxQueue: 1 });
    const second = await room.accept('/stop', { command: stop, maxQueue: 1 });
    expect(second.stopped).toHaveLength(1);
    expect(await room.accept('/stop', { command: stop, dedup: 'k' })).toMatchObject({
      duplicate: true,
      events: [],
    });
    expect(await said()).toEqual(['There is nothing to stop.', 'E_TURN_ABORTED', 'Stopped.']);
  });
});

test('/new ends what waits, and the next container is told of a new conversation', async () => {
  await room.accept('one');
  await room.accept('/new', { command: { name: 'new', text: 'A new conversation begins.' } });
  expect(await said()).toEqual(['E_TURN_ABORTED', 'A new conversation begins.']);
  await room.wake(session);
  const told = () =>
    inboundRows<{ body: string }>('SELECT body FROM session').map(
      ({ body }) => JSON.parse(body).conversation,
    );
  expect(told()).toEqual([1]);
  await room.writer.run('change', { session, epoch: 1, now: 1000, from: 'waking', to: 'awake' });
  await room.accept('/new', { command: { name: 'new', text: 'A new conversation begins.' } });
  await room.accept('two');
  await expect.poll(told).toEqual([2]);
});
