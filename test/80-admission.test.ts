import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type AwakeSession, AwakeSessions } from '../src/awake/awake-session.ts';
import { type Admission, createAdmission } from '../src/wake/admit.ts';
import { lineUp } from '../src/wake/line-up.ts';
import { countMaxAwake, defaultMaxAwake } from '../src/wake/max-awake.ts';
import { isToBeTold } from '../src/wake/tell-place.ts';
import { type Holder, whoYields } from '../src/wake/who-yields.ts';

describe('who is next', () => {
  const inLine = (...sessions: string[]) => sessions.map((session) => ({ session, group: session[0] ?? '' }));
  test.each<[string, string[], Record<string, number>, string[]]>([
    ['nobody', [], {}, []],
    ['first come, first served within a group', ['a1', 'a2', 'a3'], {}, ['a1', 'a2', 'a3']],
    ['groups in turn', ['a1', 'a2', 'a3', 'b1', 'b2'], {}, ['a1', 'b1', 'a2', 'b2', 'a3']],
    ['a group that was never served first', ['a1', 'b1'], { a: 1 }, ['b1', 'a1']],
    [
      'the group that was served the longest ago first',
      ['a1', 'b1', 'c1'],
      { a: 3, b: 1, c: 2 },
      ['b1', 'c1', 'a1'],
    ],
    ['of groups never served, who came first', ['b1', 'a1', 'b2'], {}, ['b1', 'a1', 'b2']],
    ['a group alone is not held up', ['a1', 'a2'], { a: 9, b: 1 }, ['a1', 'a2']],
    ['one against many', ['a1', 'a2', 'a3', 'a4', 'b1'], { a: 1, b: 2 }, ['a1', 'b1', 'a2', 'a3', 'a4']],
  ])('%s', (_, sessions, served, expected) => {
    const line = lineUp(inLine(...sessions), new Map(Object.entries(served)));
    expect(line.map(({ session }) => session)).toEqual(expected);
  });
});

describe('who yields', () => {
  const holder = (session: string, state: Holder['state'], activeAt: number, working = false): Holder => ({
    session,
    state,
    activeAt,
    working,
  });
  test.each<[string, Holder[], number, string[]]>([
    ['nobody where nobody is', [], 1, []],
    ['the longest idle', [holder('a', 'awake', 20), holder('b', 'awake', 10)], 1, ['b']],
    ['a frozen one before an idle one', [holder('a', 'awake', 10), holder('b', 'frozen', 20)], 1, ['b']],
    ['the longest frozen', [holder('a', 'frozen', 20), holder('b', 'frozen', 10)], 1, ['b']],
    [
      'as many as are asked for',
      [holder('a', 'awake', 1), holder('b', 'awake', 2), holder('c', 'frozen', 3)],
      2,
      ['c', 'a'],
    ],
    ['none that works', [holder('a', 'awake', 1, true), holder('b', 'frozen', 2, true)], 2, []],
    ['none on its way up or down', [holder('a', 'waking', 1), holder('b', 'stopping', 2)], 2, []],
    [
      'one that is about to freeze like an idle one',
      [holder('a', 'freezing', 1), holder('b', 'awake', 2)],
      1,
      ['a'],
    ],
    ['nobody for nobody', [holder('a', 'awake', 1)], 0, []],
    ['nobody for less than nobody', [holder('a', 'awake', 1)], -2, []],
  ])('%s', (_, holders, count, expected) => expect(whoYields(holders, count)).toEqual(expected));
});

describe('how many', () => {
  const GiB = 2 ** 30;
  test.each<[string, number, number[], number]>([
    ['8 GiB, the default limit', 8 * GiB, [2 * GiB], 12],
    ['24 GiB, the default limit', 24 * GiB, [2 * GiB, 2 * GiB], 36],
    ['the mean counts', 8 * GiB, [1 * GiB, 3 * GiB], 12],
    ['small containers', 8 * GiB, [128 * 2 ** 20], 192],
    ['a small machine', GiB, [2 * GiB], 2],
    ['no group', 8 * GiB, [], 2],
  ])('%s', (_, memory, limits, expected) => expect(defaultMaxAwake(memory, limits)).toBe(expected));

  test('what is set counts', () => expect(countMaxAwake(7, { list: () => [] })()).toBe(7));
});

describe('who is told', () => {
  test.each<[string, { since: number; told: { place: number; at: number } | null }, number, boolean]>([
    ['nobody at once', { since: 0, told: null }, 2999, false],
    ['after three seconds', { since: 0, told: null }, 3000, true],
    ['not the same again', { since: 0, told: { place: 2, at: 3000 } }, 60_000, false],
    ['another place', { since: 0, told: { place: 3, at: 3000 } }, 13_000, true],
    ['another place, not too often', { since: 0, told: { place: 3, at: 3000 } }, 12_999, false],
  ])('%s', (_, waiting, now, expected) => expect(isToBeTold(waiting, 2, now)).toBe(expected));
});

describe('the line', () => {
  interface Room {
    admission: Admission;
    awake: AwakeSessions;
    told: string[];
    stopped: string[];
    now: number;
    /** Sessions in which something is due beside a retry, as the ledger says. */
    due: string[];
    /** Enters, and is awake as soon as it is let in. */
    enter(session: string): Promise<boolean>;
    /** A container with nothing to do, or with something. */
    hold(session: string, more?: Partial<AwakeSession>): AwakeSession;
  }

  function openRoom(most: number): Room {
    const awake: AwakeSessions = new AwakeSessions(() => admission.look());
    const room: Room = { awake, told: [], stopped: [], now: 0, due: [] } as unknown as Room;
    const admission = createAdmission({
      awake,
      clock: { now: () => room.now, monotonic: () => room.now },
      reads: { isDue: (session) => room.due.includes(session) },
      log: pino({ level: 'silent' }),
      most: () => most,
      async stop(session) {
        room.stopped.push(session.id);
        await wait(1);
        awake.remove(session);
      },
      tell: (session, text) => room.told.push(`${session}: ${text}`),
    });
    room.admission = admission;
    room.hold = (id, more = {}) => {
      const session = {
        id,
        container: id,
        state: 'awake',
        open: new Map(),
        processing: new Set(),
        activeAt: 0,
        over: Promise.withResolvers<void>(),
        ...more,
      } as unknown as AwakeSession;
      awake.add(session);
      return session;
    };
    room.enter = async (session) => {
      const entered = await admission.enter(session, session[0] ?? '');
      if (entered) room.hold(session, { processing: new Set(['m']) });
      admission.settled(session);
      return entered;
    };
    onTestFinished(() => admission.close());
    return room;
  }

  const working = () => ({ processing: new Set(['m']) });

  test('nobody waits while there is room', async () => {
    const room = openRoom(2);
    expect(await Promise.all([room.enter('a1'), room.enter('a2')])).toEqual([true, true]);
    expect(room.admission.places()).toEqual({ taken: 2, most: 2, waiting: 0 });
  });

  test('two that come at once do not take one place', async () => {
    const room = openRoom(1);
    const first = room.admission.enter('a1', 'a');
    void room.admission.enter('a2', 'a');
    expect(await first).toBe(true);
    expect(room.admission.places()).toEqual({ taken: 1, most: 1, waiting: 1 });
    expect([room.admission.placeOf('a1'), room.admission.placeOf('a2')]).toEqual([null, 1]);
  });

  test('idle ones yield to those who wait, one for each, and the wait ends when they are gone', async () => {
    const room = openRoom(3);
    room.hold('x', { activeAt: 3 });
    room.hold('y', { state: 'frozen', activeAt: 9 });
    room.hold('z', working());
    expect(await room.enter('a1')).toBe(true);
    expect(room.stopped).toEqual(['y']);
    expect(await room.enter('a2')).toBe(true);
    expect(room.stopped).toEqual(['y', 'x']);
    expect(room.admission.places()).toEqual({ taken: 3, most: 3, waiting: 0 });
  });

  test('working ones do not: the line goes on when one ends, the groups in turn', async () => {
    const room = openRoom(1);
    const holder = room.hold('x', working());
    const order: string[] = [];
    for (const session of ['a1', 'a2', 'b1'])
      void room.admission.enter(session, session[0] ?? '').then(() => order.push(session));
    expect(['a1', 'a2', 'b1'].map(room.admission.placeOf)).toEqual([1, 3, 2]);
    room.awake.remove(holder);
    for (const session of ['a1', 'b1', 'a2']) {
      await expect.poll(() => order.at(-1)).toBe(session);
      room.admission.settled(session);
    }
    expect(room.stopped).toEqual([]);
  });

  test('one that has become idle is found also when nobody tells of it', async () => {
    const room = openRoom(1);
    const holder = room.hold('x', working());
    const entered = room.enter('a1');
    holder.processing.clear();
    expect(await entered).toBe(true);
    expect(room.stopped).toEqual(['x']);
  });

  test('one that waits only for the time of a retry yields', async () => {
    const room = openRoom(1);
    room.now = 1000;
    room.hold('x', { open: new Map([['m', { id: 'm', attempt: 2, wake: true, dueAt: 1001 }]]) });
    expect(await room.enter('a1')).toBe(true);
  });

  test('also when something waits behind that retry, but not when something else is due', async () => {
    const room = openRoom(2);
    room.now = 1000;
    const open = () =>
      new Map([
        ['m', { id: 'm', attempt: 2, wake: true, dueAt: 1001 }],
        ['n', { id: 'n', attempt: 1, wake: true, dueAt: 0 }],
      ]);
    room.hold('busy', { open: open() });
    room.hold('x', { open: open(), activeAt: 5 });
    room.due = ['busy'];
    expect(await room.enter('a1')).toBe(true);
    expect(room.stopped).toEqual(['x']);
  });

  test('whoever waits long is told the place', async () => {
    const room = openRoom(1);
    room.hold('x', working());
    void room.admission.enter('a1', 'a');
    void room.admission.enter('a2', 'a');
    room.now = 3000;
    await expect
      .poll(() => room.told, { timeout: 3000 })
      .toEqual([
        'a1: waiting for a free container: place 1 of 2 in the line',
        'a2: waiting for a free container: place 2 of 2 in the line',
      ]);
  });

  test('whoever leaves, or is there when the line closes, is not let in', async () => {
    const room = openRoom(1);
    const holder = room.hold('x', working());
    const [leaves, stays] = [room.admission.enter('a1', 'a'), room.admission.enter('a2', 'a')];
    room.admission.leave('a1');
    expect(await leaves).toBe(false);
    expect(room.admission.placeOf('a2')).toBe(1);
    room.admission.close();
    room.awake.remove(holder);
    expect(await stays).toBe(false);
    expect(await room.admission.enter('a3', 'a')).toBe(false);
  });
});
