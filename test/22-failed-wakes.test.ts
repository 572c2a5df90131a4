import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

const REASON = 'its folders hold too much';

/** A wake that came to nothing before it took an epoch. */
function fail(session: string, now: number, where = room) {
  const epoch = where.reads.session(session)?.epoch ?? 0;
  const row = { code: 'E_DISK_LIMIT', reason: REASON, retryAt: now + 1000, now };
  return where.writer.run('failWake', { session, epoch, ...row });
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

test.skipIf(!canMount)('one that waited for room on a full disk is counted once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-failed-wakes-'));
  const disk = await mountSmallDisk(join(root, 'disk'), 8);
  await mkdir(join(disk.path, 'data'));
  const full = Promise.withResolvers<void>();
  const own = await openLedgerRoom(join(disk.path, 'data'), { onFull: () => full.resolve() });
  onTestFinished(async () => {
    await own.close();
    await disk.unmount();
    await rm(root, { recursive: true });
  });
  const { session } = await own.accept('one');
  own.writer.setPatience(true);
  await disk.fill();
  const failed = fail(session, 2000, own);
  await full.promise;
  await disk.makeRoom();
  // Each of them has it tried at once, and its answer is not there yet.
  own.writer.setPatience(false);
  own.writer.setPatience(false);

  expect(await failed).toMatchObject([{ code: 'E_DISK_LIMIT' }]);

  await own.writer.run('installId');
  expect(own.reads.session(session)).toMatchObject({ state: 'failed', failures: 1 });
});
