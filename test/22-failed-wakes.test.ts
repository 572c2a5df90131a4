import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

const REASON = 'its folders hold too much';

/** A wake that came to nothing before it took an epoch. */
function fail(session: string, now: number) {
  const epoch = room.reads.session(session)?.epoch ?? 0;
  const row = { code: 'E_DISK_LIMIT', reason: REASON, retryAt: now + 1000, now };
  return room.writer.run('failWake', { session, epoch, ...row });
}

test('each try that fails tells whoever has not been told, also when the session has failed already', async () => {
  const first = await room.accept('one');
  const told = await fail(first.session, 2000);
  expect(told.map(({ inReplyTo, code }) => ({ inReplyTo, code }))).toEqual([
    { inReplyTo: first.message, code: 'E_DISK_LIMIT' },
  ]);

  const second = await room.accept('two');
  const later = await fail(first.session, 3000);
  expect(later.map(({ inReplyTo }) => inReplyTo)).toEqual([second.message]);
  expect(room.reads.session(first.session)).toMatchObject({
    state: 'failed',
    errorCode: 'E_DISK_LIMIT',
    errorReason: REASON,
    retryAt: 4000,
  });
  expect(await fail(first.session, 5000)).toEqual([]);
});

test('whoever was told is told again when the next try, by wish of the operator, fails as well', async () => {
  const { session, message } = await room.accept('one');
  const told = async (now: number) =>
    (await fail(session, now)).map(({ inReplyTo, code }) => ({ inReplyTo, code }));
  const failure = { inReplyTo: message, code: 'E_DISK_LIMIT' };
  expect(await told(2000)).toEqual([failure]);
  for (const now of [3000, 4000]) {
    expect(await room.writer.run('retryNow', { session, now })).toBe(1);
    expect(await told(now)).toEqual([failure]);
    // By itself it is tried again without a word.
    expect(await told(now)).toEqual([]);
  }
});

test('a session with a container does not fail by a try that came too late', async () => {
  const { session } = await room.accept('one');
  const ticket = await room.wake(session);
  await room.writer.run('change', {
    session,
    epoch: ticket?.epoch ?? 0,
    from: 'waking',
    to: 'awake',
    now: 2000,
  });
  expect(await fail(session, 3000)).toEqual([]);
  expect(room.reads.session(session)).toMatchObject({ state: 'awake', errorCode: null });
});
