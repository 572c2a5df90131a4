import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SendError } from '../src/channels/send-error.ts';
import { type DeliveryRoom, openDeliveryRoom } from './fixtures/delivery-room.ts';
import { type RecordingChannel, recordingChannel } from './fixtures/recording-channel.ts';

let keyed: RecordingChannel;
let keyless: RecordingChannel;
let room: DeliveryRoom;
beforeEach(async () => {
  keyed = recordingChannel('keyed', true);
  keyless = recordingChannel('keyless', false);
  room = await openDeliveryRoom({ channels: [keyed, keyless] });
});
afterEach(async () => {
  await room.close();
  expect([...keyed.offences, ...keyless.offences]).toEqual([]);
});

const transient = new SendError('transient', 'the platform is busy');
const permanent = new SendError('permanent', 'the message is too long');
const limited = (retryAfterMs: number) => new SendError('rate-limited', 'slowly', { retryAfterMs });

/** The event that tells of another one. */
const notice = (code: string) => room.told.find((event) => event.code === code);

describe('a channel that takes a key', () => {
  test('gets what it may not have taken again, under the same key', async () => {
    keyed.plan('one', Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    const [one] = await room.reply('keyed', ['one']);
    await room.until(one?.n, 'retry');
    expect(room.entry(one?.n)).toMatchObject({
      attempts: 1,
      errorClass: 'unknown-outcome',
      error: 'sending through "keyed" failed (ECONNRESET)',
    });
    expect(await room.until(one?.n, 'sent')).toMatchObject({ platformId: `p${one?.n}`, dueAt: null });
    expect(keyed.calls.map(({ key }) => key)).toEqual([one?.n, one?.n]);
  });

  test('is asked again after the time limit, and its late word counts', async () => {
    room = await room.restart({ timeoutMs: 50 });
    keyed.plan('one', 'hang', 'hang');
    const [one] = await room.reply('keyed', ['one']);
    const [first] = await keyed.called(1);
    await room.until(one?.n, 'retry');
    expect(first?.signal.aborted).toBe(true);
    first?.settle({ platformId: 'late' });
    expect(await room.until(one?.n, 'sent')).toMatchObject({ platformId: 'late' });
  });
});

describe('a channel without a key', () => {
  test('is called only when the ledger says so, also for what stood behind something', async () => {
    const states: string[] = [];
    keyless.onCall = ({ key }) => void states.push(room.entry(key).status);
    const events = await room.reply('keyless', ['one', 'two', 'three']);
    expect(events.map(({ delivery }) => delivery.status)).toEqual(['sending', 'pending', 'pending']);
    for (const { n } of events) await room.until(n, 'sent');
    expect(states).toEqual(['sending', 'sending', 'sending']);
  });

  test('what was sent a moment ago is in front of nothing: its mark rides along', async () => {
    const [one] = await room.reply('keyless', ['one']);
    await keyless.called(1);
    await new Promise((resolve) => setImmediate(resolve));
    const [two] = await room.reply('keyless', ['two']);
    expect(two?.delivery.status).toBe('sending');
    expect(room.entry(one?.n).status).toBe('sent');
  });

  test('an open outcome is uncertain: never sent again, told, and it blocks nothing', async () => {
    room = await room.restart({ timeoutMs: 50 });
    keyless.plan('one', 'hang');
    const { session } = await room.ledger.accept('wake', { chat: 'keyless', channel: 'keyless' });
    await room.ledger.wake(session);
    const [one, two] = await room.reply('keyless', ['one', 'two']);
    await room.until(two?.n, 'sent');
    expect(room.entry(one?.n)).toMatchObject({
      status: 'uncertain',
      error: '"keyless" gave no answer within 0.05 s',
    });
    const told = notice('E_SEND_UNCERTAIN');
    expect(told).toMatchObject({ type: 'failure', inReplyTo: one?.inReplyTo, answers: one?.body.answers });
    await room.until(told?.key, 'sent');
    expect(keyless.shown('keyless')).toEqual(['two', '[E_SEND_UNCERTAIN]']);
    // What went wrong is told with the next message, what went well a moment later.
    await room.ledger.accept('next', { chat: 'keyless', channel: 'keyless' });
    await room.ledger.writer.run('markSent', { events: [], now: 1 });
    const uncertain = { out_id: 'row-keyless-one', detail: room.entry(one?.n).error, platform_id: null };
    expect(room.receipts('keyless')[0]).toEqual({ ...uncertain, status: 'uncertain' });
    await vi.waitUntil(() => room.receipts('keyless').length === 2, { timeout: 5000 });
    const sent = { out_id: 'row-keyless-two', detail: null, platform_id: `p${two?.n}` };
    expect(room.receipts('keyless')[1]).toEqual({ ...sent, status: 'sent' });
  });

  test('the platform’s late word makes it sent', async () => {
    room = await room.restart({ timeoutMs: 50 });
    keyless.plan('one', 'hang');
    const [one] = await room.reply('keyless', ['one']);
    await room.until(one?.n, 'uncertain');
    keyless.calls[0]?.settle('take');
    expect(await room.until(one?.n, 'sent')).toMatchObject({ platformId: `p${one?.n}` });
  });

  test('what it surely has not taken is sent again', async () => {
    keyless.plan('one', limited(30), transient);
    const [one] = await room.reply('keyless', ['one']);
    expect(await room.until(one?.n, 'sent')).toMatchObject({ attempts: 2 });
    expect(keyless.calls).toHaveLength(3);
  });
});

describe('errors', () => {
  test('order within a chat is kept; other chats and hung sends do not matter to each other', async () => {
    keyed.plan('a', limited(1), 'hang');
    keyed.plan('hung', 'hang');
    const [hung] = await room.reply('keyed2', ['hung', 'behind']);
    const waiting = await room.reply('keyed1', ['a', 'b', 'c']);
    const free = await room.reply('keyed3', ['x', 'y']);
    for (const { n } of free) await room.until(n, 'sent');
    await keyed.called(5);
    expect(keyed.shown('keyed1')).toEqual([]);
    keyed.calls.findLast(({ text }) => text === 'a')?.settle(limited(1));
    for (const { n } of waiting) await room.until(n, 'sent');
    expect(keyed.shown('keyed1')).toEqual(['a', 'b', 'c']);
    expect(keyed.shown('keyed2')).toEqual([]);
    keyed.calls.find(({ key }) => key === hung?.n)?.settle('take');
    await room.until((hung?.n ?? 0) + 1, 'sent');
  });

  test('a permanent one is dead at once, and told; a notice that fails is told no further', async () => {
    keyed.plan('one', permanent);
    keyed.plan('[E_SEND_FAILED]', permanent);
    const [one, two] = await room.reply('keyed', ['one', 'two']);
    const told = async () => room.until(notice('E_SEND_FAILED')?.key, 'dead');
    await room.until(two?.n, 'sent');
    expect(room.entry(one?.n)).toMatchObject({ status: 'dead', errorClass: 'permanent' });
    expect(await told()).toMatchObject({ type: 'failure' });
    expect(notice('E_SEND_FAILED')?.reason).toBe(
      'An answer could not be delivered to this chat: the message is too long.',
    );
    expect(room.told).toHaveLength(3);
  });

  test('what is too old is given up after enough tries', async () => {
    room = await room.restart({ giveUpMs: 1 });
    keyed.plan('one', ...Array.from({ length: 10 }, () => limited(1)));
    keyless.plan('one', ...Array.from({ length: 10 }, () => limited(1)));
    const [one] = await room.reply('keyed', ['one']);
    const [other] = await room.reply('keyless', ['one']);
    for (const n of [one?.n, other?.n]) expect(await room.until(n, 'dead')).toMatchObject({ attempts: 10 });
  });

  test('a deleted chat gets nothing more', async () => {
    keyed.plan('one', limited(60_000));
    const [one] = await room.reply('keyed', ['one', 'two']);
    await room.until(one?.n, 'retry');
    const chat = room.ledger.reads.chat('keyed', 'echo', 'keyed');
    await room.ledger.writer.run('deleteChat', { chatId: chat?.id ?? 0 });
    room.sender.forgetChat({ channel: 'keyed', group: 'echo', chat: 'keyed' });
    // The chat begins anew, and does not wait for the time of what is gone.
    const [later] = await room.reply('keyed', ['later']);
    await room.until(later?.n, 'sent');
    expect(keyed.calls.map(({ text }) => text)).toEqual(['one', 'later']);
  });

  test('events for a channel that is not there wait for it', async () => {
    const [one] = await room.reply('other', ['one']);
    expect(room.entry(one?.n).status).toBe('pending');
    const absent = recordingChannel('absent', true);
    room = await room.restart({ channels: [keyed, keyless, absent] });
    await room.until(one?.n, 'sent');
    expect(absent.shown('other')).toEqual(['one']);
  });
});

test('a full disk: nothing is called before the ledger says so, and what came of a call is written once there is room', async () => {
  keyless.plan('first', limited(1));
  room.refused.add('failSend');
  const [first, second] = await room.reply('keyless', ['first', 'second']);
  await keyless.called(1);
  room.refused.add('beginSend').delete('failSend');
  await room.until(first?.n, 'retry');
  expect(keyless.calls).toHaveLength(1);
  room.refused.add('markSent').delete('beginSend');
  await keyless.called(3);
  expect(room.entry(second?.n).status).toBe('sending');
  room.refused.clear();
  await room.until(second?.n, 'sent');
});

test('the way of a message has no commit more, with a key or without one', async () => {
  const commits = () => {
    const program = new URL('../bench/count-commits.ts', import.meta.url).pathname;
    const wal = join(room.ledger.folder, 'host.db-wal');
    return JSON.parse(execFileSync(process.execPath, [program, wal], { encoding: 'utf8' }))[0]
      .commits as number;
  };
  for (const channel of [keyed, keyless]) {
    // A first message makes chat and session.
    const [zero] = await room.reply(channel.name, ['zero']);
    await room.until(zero?.n, 'sent');
    const counts: number[] = [];
    channel.onCall = () => void counts.push(commits());
    const before = commits();
    await room.reply(channel.name, ['one']);
    await channel.called(2);
    channel.onCall = undefined;
    // Accepted, and collected: nothing else is committed before the platform has it.
    expect(counts).toEqual([before + 2]);
  }
});
