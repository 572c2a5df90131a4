import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { AwakeSessions } from '../src/awake/awake-session.ts';
import { type IdleFacts, idleDeadline } from '../src/idle/idle-deadline.ts';
import { awaitParkWord } from '../src/idle/park-word.ts';
import { watchIdle } from '../src/idle/reset-idle.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';
import { livingSession } from './fixtures/living-session.ts';

describe('what is next for an idle container', () => {
  const facts: IdleFacts = {
    state: 'awake',
    activeAt: 1000,
    freezeMs: 60,
    stopMs: 300,
    freezeFrom: 0,
    working: false,
    outdated: false,
  };
  test.each<[string, Partial<IdleFacts>, ReturnType<typeof idleDeadline>]>([
    ['awake: frozen first', {}, { does: 'freeze', at: 1060 }],
    ['frozen: stopped', { state: 'frozen' }, { does: 'stop', at: 1300 }],
    ['its group was changed: replaced at once', { outdated: true }, { does: 'replace', at: 1000 }],
    ['working: nothing', { working: true }, null],
    ['never frozen', { freezeMs: null }, { does: 'stop', at: 1300 }],
    ['never stopped', { stopMs: null }, { does: 'freeze', at: 1060 }],
    ['frozen and never stopped', { state: 'frozen', stopMs: null }, null],
    ['neither', { freezeMs: null, stopMs: null }, null],
    ['stopped before it would be frozen', { freezeMs: 400 }, { does: 'stop', at: 1300 }],
    ['both at once', { freezeMs: 300 }, { does: 'stop', at: 1300 }],
    ['not again so soon', { freezeFrom: 1200 }, { does: 'freeze', at: 1200 }],
    ['not again before the stop', { freezeFrom: 1400 }, { does: 'stop', at: 1300 }],
  ])('%s', (_, change, expected) => expect(idleDeadline({ ...facts, ...change })).toEqual(expected));
});

test('a container that waits only for the time of a retry is idle, with all that waits behind it', async () => {
  const awake = new AwakeSessions();
  for (const [id, dueAt] of [
    ['retry', 9000],
    ['due', 0],
  ] as const) {
    const session = await livingSession(id, {
      waiting: [
        { id: 'first', attempt: 2, wake: true, dueAt },
        { id: 'behind', attempt: 1, wake: true, dueAt: 0 },
      ],
    });
    session.group = { ...session.group, idle: { freezeMs: 0, stopMs: null } };
    awake.add(session);
  }
  const idle: string[] = [];
  const looks = watchIdle({
    awake,
    clock: { now: () => 2000, monotonic: () => 2000 },
    reads: { isDue: (id) => id !== 'retry' },
    engine: { canPause: true },
    async onIdle({ id, state }, does) {
      idle.push(`${state} ${id}: ${does}`);
    },
  });
  onTestFinished(looks);
  await vi.waitUntil(() => idle.length >= 2, { timeout: 5000 });
  expect(new Set(idle)).toEqual(new Set(['awake retry: freeze']));
});

describe("the runner's word", () => {
  const parked = { epoch: 2, controlSeq: 5, parked: true };

  test('counts for its own park and epoch only', async () => {
    const { hear, word } = awaitParkWord(2);
    const said = word(5, 50);
    hear({ ...parked, epoch: 1 });
    hear({ ...parked, controlSeq: 4 });
    hear({ ...parked, parked: false });
    expect(await said).toBe('silent');
  });

  test('may be heard before the number of the park is known', async () => {
    const { hear, word } = awaitParkWord(2);
    hear(parked);
    expect(await word(5, 1000)).toBe('parked');
  });

  test('that was taken back before it was asked for is none', async () => {
    const { hear, word } = awaitParkWord(2);
    hear(parked);
    hear({ ...parked, controlSeq: 6, parked: false });
    expect(await word(5, 50)).toBe('silent');
  });

  test('is waited for no longer when it is called off, also before', async () => {
    const { callOff, word } = awaitParkWord(2);
    callOff();
    expect(await word(5, 60_000)).toBe('called off');
  });
});

describe('a park in ledger and file', () => {
  let room: LedgerRoom;
  let session: string;
  beforeEach(async () => {
    room = await openLedgerRoom();
    const { session: id, message } = await room.accept('first');
    session = id;
    await room.wake(session);
    await room.writer.run('change', { ...step(), from: 'waking', to: 'awake' });
    await answer(message);
  });
  afterEach(() => room.close());

  const step = () => ({ session, epoch: 1, now: 2000 });
  const state = () => room.reads.session(session)?.state;

  async function answer(message: string): Promise<void> {
    const claims = [{ message, attempt: 1, outcome: { done: true as const } }];
    await room.writer.run('collect', { session, file: 'f', messages: [], claims, usage: [], now: 2000 });
  }

  /** What lies in the file once the writer has written what was asked for before. */
  async function inbound() {
    await room.writer.run('installId');
    const db = new Database(room.inbound(session), { readonly: true });
    const controls = db.prepare('SELECT verb, seq FROM controls ORDER BY seq').all() as {
      verb: string;
      seq: number;
    }[];
    const messages = db.prepare('SELECT count(*) FROM messages').pluck().get();
    db.close();
    return { controls: controls.map(({ verb, seq }) => `${seq} ${verb}`), messages };
  }

  test('is refused while a message waits', async () => {
    await room.accept('second');
    expect(await room.writer.run('beginFreeze', step())).toBeUndefined();
    expect(state()).toBe('awake');
  });

  test('a message takes it back, and brings an unpark along', async () => {
    expect(await room.writer.run('beginFreeze', step())).toBe(1);
    expect(state()).toBe('freezing');
    expect(await room.accept('second')).toMatchObject({ state: 'freezing' });
    expect(state()).toBe('awake');
    expect(await room.writer.run('beginPause', step())).toBe(false);
    expect(await room.writer.run('endFreeze', step())).toBe(false);
    expect(await inbound()).toMatchObject({ controls: ['1 park', '2 unpark'] });
  });

  test('a message that is asked for together with it takes it back as well', async () => {
    const [park, { state: found }] = await Promise.all([
      room.writer.run('beginFreeze', step()),
      room.accept('second'),
    ]);
    expect([park, found, state()]).toEqual([1, 'freezing', 'awake']);
    expect(await inbound()).toMatchObject({ controls: ['1 park', '2 unpark'] });
  });

  test('given up, it is followed by one unpark', async () => {
    await room.writer.run('beginFreeze', step());
    expect(await room.writer.run('endFreeze', step())).toBe(true);
    await room.accept('second');
    expect(state()).toBe('awake');
    expect(await inbound()).toMatchObject({ controls: ['1 park', '2 unpark'] });
  });

  test('while the engine pauses nothing is written; then the message is, and no unpark', async () => {
    await room.writer.run('beginFreeze', step());
    const before = await inbound();
    expect(await room.writer.run('beginPause', step())).toBe(true);
    expect(await room.accept('second')).toMatchObject({ state: 'frozen' });
    expect(await inbound()).toEqual(before);
    await room.writer.run('paused', { session });
    // The first, which is over, goes later.
    expect(await inbound()).toMatchObject({ controls: ['1 park'], messages: 2 });
    expect(state()).toBe('frozen');
  });

  test('what settles does not take it back', async () => {
    await room.writer.run('beginFreeze', step());
    await answer('nobody');
    expect(state()).toBe('freezing');
    expect(await inbound()).toMatchObject({ controls: ['1 park'] });
  });

  test('a retry that is due takes it back', async () => {
    const { message } = await room.accept('second');
    const claims = [{ message, attempt: 1, outcome: { retryAt: 5000 } }];
    await room.writer.run('collect', { session, file: 'f', messages: [], claims, usage: [], now: 2000 });
    expect(await room.writer.run('beginFreeze', step())).toBe(1);
    expect(await room.writer.run('putDue', { session, now: 3000 })).toBeUndefined();
    expect(state()).toBe('freezing');
    expect(await room.writer.run('putDue', { session, now: 6000 })).toBe('freezing');
    expect(state()).toBe('awake');
  });

  test('what waits behind a retry is no reason against it; what waits elsewhere is', async () => {
    const { message } = await room.accept('second');
    await room.accept('third');
    const claims = [{ message, attempt: 1, outcome: { retryAt: 5000 } }];
    await room.writer.run('collect', { session, file: 'f', messages: [], claims, usage: [], now: 2000 });
    const isDue = (now: number) => room.reads.isDue(session, now);
    expect([isDue(4999), isDue(5000)]).toEqual([false, true]);
    expect(await room.writer.run('beginFreeze', step())).toBe(1);
    await room.writer.run('endFreeze', step());

    await room.accept('elsewhere', { thread: 't' });
    expect(isDue(2000)).toBe(true);
    expect(await room.writer.run('beginFreeze', step())).toBeUndefined();
  });

  test('is refused while the file of the session is not open: nothing could be asked of its runner', async () => {
    await room.reopen();
    await room.writer.run('adopt', { ...step(), to: 'awake' });
    await expect(room.writer.run('beginFreeze', step())).rejects.toThrow('inbound.db is not open');
    expect(state()).toBe('awake');
    const agent = { provider: 'echo', options: {} };
    const body = { group: 'echo', agent, turnLimitMs: 1000, notices: [] };
    await room.writer.run('attach', { ...step(), inbound: room.inbound(session), body });
    expect(await room.writer.run('beginFreeze', step())).toBe(1);
  });

  test('a frozen session is stopped for idleness only when nothing waits, by force always', async () => {
    await room.writer.run('beginFreeze', step());
    await room.writer.run('beginPause', step());
    await room.writer.run('paused', { session });
    await room.accept('second');
    expect(await room.writer.run('beginStop', { ...step(), from: 'frozen' })).toBe(false);
    expect(await room.writer.run('forceStop', { ...step(), epoch: 2 })).toBe(false);
    expect(await room.writer.run('forceStop', step())).toBe(true);
    expect(state()).toBe('stopping');
  });

  test.each(['awake', 'freezing', 'frozen'])(
    'a container that dies while %s leaves it asleep',
    async (at) => {
      if (at !== 'awake') await room.writer.run('beginFreeze', step());
      if (at === 'frozen') await room.writer.run('beginPause', step());
      expect(await room.writer.run('sleep', { ...step(), epoch: 2 })).toBe(false);
      expect(await room.writer.run('sleep', step())).toBe(true);
      expect(state()).toBe('asleep');
    },
  );

  test('controls are numbered on, and only the newest are kept', async () => {
    for (let round = 0; round < 15; round++) {
      await room.writer.run('beginFreeze', step());
      await room.writer.run('endFreeze', step());
    }
    const { controls } = await inbound();
    expect(controls).toHaveLength(20);
    expect(controls.at(-1)).toBe('30 unpark');
  });
});
