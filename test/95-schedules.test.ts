import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createLog } from '../src/log.ts';
import { nextRun } from '../src/next-run.ts';
import { judgeRequest } from '../src/requests/judge-request.ts';
import { createScheduler } from '../src/schedules/run-schedules.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';

const session = 's_c';
const NOW = Date.parse('2030-03-30T12:00:00Z');
const HOUR = 3_600_000;
const MINUTE = 60_000;

describe('when a cron line comes due', () => {
  test('in the time zone that it names, summer time included', () => {
    const at = (after: string) =>
      new Date(nextRun('30 9 * * *', 'Europe/Berlin', Date.parse(after)) ?? 0).toISOString();
    expect(at('2030-03-30T12:00:00Z')).toBe('2030-03-31T07:30:00.000Z');
    expect(at('2030-03-29T12:00:00Z')).toBe('2030-03-30T08:30:00.000Z');
  });

  /** All times of a day in Berlin that begins then. */
  function timesOf(cron: string, from: string): string[] {
    const end = Date.parse(from) + 24 * HOUR;
    const times: string[] = [];
    let at = nextRun(cron, 'Europe/Berlin', Date.parse(from));
    while (at !== null && at < end) {
      times.push(new Date(at).toISOString());
      at = nextRun(cron, 'Europe/Berlin', at);
    }
    return times;
  }

  test('times that a line names come once, also on the day on which clocks are set back', () => {
    // Berlin, 27 October 2030: at 03:00 summer time (01:00Z) it is 02:00 once more.
    const day = '2030-10-26T22:00:00Z';
    expect(timesOf('0 2,14 * * *', day)).toEqual(['2030-10-27T00:00:00.000Z', '2030-10-27T13:00:00.000Z']);
    expect(timesOf('30 1-3 * * *', day)).toEqual([
      '2030-10-26T23:30:00.000Z',
      '2030-10-27T00:30:00.000Z',
      '2030-10-27T02:30:00.000Z',
    ]);
    // Whoever looks within the hour that comes twice finds no second one either.
    expect(nextRun('30 2,14 * * *', 'Europe/Berlin', Date.parse('2030-10-27T01:10:00Z'))).toBe(
      Date.parse('2030-10-27T13:30:00Z'),
    );
  });

  test('and on the day on which they are set forward: the one that is leapt over right after the leap', () => {
    // Berlin, 31 March 2030: after 01:59 (00:59Z) it is 03:00.
    const day = '2030-03-30T23:00:00Z';
    expect(timesOf('0 2,14 * * *', day)).toEqual(['2030-03-31T01:00:00.000Z', '2030-03-31T12:00:00.000Z']);
    expect(timesOf('0 2,3 * * *', day)).toEqual(['2030-03-31T01:00:00.000Z']);
    expect(timesOf('30 2 * * *', day)).toEqual(['2030-03-31T01:00:00.000Z']);
  });

  test('intervals go on, whatever the clock on the wall does', () => {
    const quarters = (hour: string) => ['00', '15', '30', '45'].map((minute) => `${hour}:${minute}:00.000Z`);
    const back = timesOf('*/15 * * * *', '2030-10-26T23:59:00Z').slice(0, 8);
    expect(back).toEqual([...quarters('2030-10-27T00'), ...quarters('2030-10-27T01')]);
    const forward = timesOf('*/15 * * * *', '2030-03-30T23:59:00Z').slice(0, 8);
    expect(forward).toEqual([...quarters('2030-03-31T00'), ...quarters('2030-03-31T01')]);
    expect(timesOf('0 * * * *', '2030-10-26T22:00:00Z')).toHaveLength(23);
  });

  test.each(['* * * * * *', '61 * * * *', 'nonsense', '@daily x', ''])('%j is none', (cron) => {
    expect(() => nextRun(cron, 'UTC', NOW)).toThrow();
  });
});

describe('what a container asks for', () => {
  const place = { session, timezone: 'Europe/Berlin', now: NOW };
  const judge = (request: unknown, args?: unknown) =>
    judgeRequest(place, { id: 'row1', request: request as string, args });

  test('a schedule, once or by a cron line, in its own time zone or that of the group', () => {
    expect(judge('schedule', { text: ' call Ann ', at: '2030-03-30T15:00:00+01:00' })).toMatchObject({
      schedule: {
        text: 'call Ann',
        cron: null,
        missed: 'once',
        dueAt: NOW + 2 * HOUR,
        timezone: 'Europe/Berlin',
      },
    });
    expect(judge('schedule', { text: 'x', cron: '0 0 * * *', missed: 'skip' })).toMatchObject({
      schedule: { cron: '0 0 * * *', missed: 'skip', dueAt: Date.parse('2030-03-30T23:00:00Z') },
    });
    expect(judge('schedule', { text: 'x', cron: '0 0 * * *', timezone: 'UTC' })).toMatchObject({
      schedule: { dueAt: Date.parse('2030-03-31T00:00:00Z') },
    });
  });

  test('what was asked for while no host looked counts from then on, and comes due at once', () => {
    const asked = (createdAt: number | null, args: object) =>
      judgeRequest(place, { id: 'row1', request: 'schedule', args: { text: 'x', ...args }, createdAt });
    const inFive = (at: number) => ({ at: new Date(at + 5 * MINUTE).toISOString() });
    const before = NOW - 10 * MINUTE;
    expect(asked(before, inFive(before))).toMatchObject({ schedule: { dueAt: NOW - 5 * MINUTE } });
    expect(asked(before, { cron: '55 * * * *' })).toMatchObject({ schedule: { dueAt: NOW - 5 * MINUTE } });
    // What was over when it was asked for is refused, and so is what a container says of a time that cannot be.
    expect(asked(before, { at: new Date(before - 1).toISOString() })).toHaveProperty('refuse');
    for (const createdAt of [NOW - 8 * 24 * HOUR, NOW + HOUR, null, 0])
      expect(asked(createdAt, inFive(before))).toHaveProperty('refuse');
    expect(asked(NOW + HOUR, { cron: '0 * * * *' })).toMatchObject({ schedule: { dueAt: NOW + HOUR } });
  });

  test('the same key is the same schedule, whatever row asks for it', () => {
    const args = { text: 'x', cron: '0 0 * * *', key: 'k' };
    const one = judgeRequest(place, { id: 'row1', request: 'schedule', args });
    const other = judgeRequest(place, { id: 'row2', request: 'schedule', args });
    expect(one).toEqual(other);
    expect(judgeRequest({ ...place, session: 's_d' }, { id: 'row1', request: 'schedule', args })).not.toEqual(
      one,
    );
  });

  test.each([
    [undefined, undefined, /there is no request null/],
    ['rm', {}, /there is no request "rm"; there are schedule, schedules and cancel_schedule/],
    ['schedule', 'x', /args/],
    ['schedule', null, /args/],
    ['schedule', {}, /`text`/],
    ['schedule', { text: '  ', cron: '* * * * *' }, /`text`: is empty/],
    [
      'schedule',
      { text: 'x'.repeat(1024 * 1024), cron: '* * * * *' },
      /`text`: is longer than 16384 characters/,
    ],
    ['schedule', { text: 'x' }, /either `at` or `cron`/],
    ['schedule', { text: 'x', at: '2031-01-01T00:00:00Z', cron: '* * * * *' }, /and not both/],
    ['schedule', { text: 'x', at: 'tomorrow' }, /`at` is no time with its offset/],
    ['schedule', { text: 'x', at: '2031-01-01T00:00:00' }, /`at` is no time with its offset/],
    [
      'schedule',
      { text: 'x', at: '2030-03-30T11:59:59Z' },
      /`at` is over: it is 2030-03-30T12:00:00.000Z now/,
    ],
    [
      'schedule',
      { text: 'x', at: '2031-02-29T09:00:00+01:00' },
      /`at` is on 2031-02-29, and there is no such day/,
    ],
    ['schedule', { text: 'x', at: '2030-04-31T23:30:00Z' }, /no such day/],
    ['schedule', { text: 'x', at: '2030-04-32T23:30:00Z' }, /`at` is no time/],
    ['schedule', { text: 'x', at: '2099-01-01T00:00:00Z' }, /more than five years ahead/],
    ['schedule', { text: 'x', cron: '* * * * * *' }, /`cron` is not "minute hour day month weekday"/],
    ['schedule', { text: 'x', cron: '0 0 30 2 *' }, /`cron` has no time within five years/],
    [
      'schedule',
      { text: 'x', cron: '* * * * *', timezone: 'Mars/Olympus' },
      /`timezone` "Mars\/Olympus" is unknown/,
    ],
    ['schedule', { text: 'x', cron: '* * * * *', missed: 'twice' }, /`missed`/],
    ['schedule', { text: 'x', cron: '* * * * *', session: 's_other' }, /session/],
    ['schedule', { text: 'x', cron: '* * * * *', key: 'a/b' }, /`key`: is no id/],
    ['cancel_schedule', {}, /`id`/],
    ['cancel_schedule', { id: 'x'.repeat(100_000) }, /`id`/],
  ])('%s %j is refused with words that help', (request, args, words) => {
    const refused = judge(request, args) as { refuse: { code: string; message: string } };
    expect(refused.refuse.code).toBe('E_REQUEST');
    expect(refused.refuse.message).toMatch(words);
    expect(refused.refuse.message.length).toBeLessThan(500);
  });
});

let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

/** A row of kind `system`, as the stage hands it on. */
function ask(seq: number, request: string, args: object, now = NOW, inSession = session, createdAt = now) {
  const row = { id: `row${seq}`, request, args, createdAt };
  const order = judgeRequest({ session: inSession, timezone: 'UTC', now }, row);
  const rest = {
    kind: 'system',
    inReplyTo: null,
    destination: null,
    text: '',
    answers: [],
    silent: false,
    files: [],
  };
  const messages = [{ seq, epoch: 1, id: row.id, ...rest, fileProblem: null, order }];
  return room.writer.run('collect', { session: inSession, file: 'f', messages, claims: [], usage: [], now });
}

function inbox<T>(sql: string): T[] {
  const db = new Database(`${room.folder}/host.db`, { readonly: true });
  try {
    return db.prepare(sql).all() as T[];
  } finally {
    db.close();
  }
}
const answers = () =>
  inbox<{ body: string }>("SELECT body FROM inbox WHERE kind = 'system' ORDER BY seq").map(({ body }) =>
    JSON.parse(body),
  );
const tasks = () =>
  inbox<{ body: string }>("SELECT body FROM inbox WHERE kind = 'task' ORDER BY seq").map(
    ({ body }) => JSON.parse(body).text,
  );

/** A scheduler at a time of the test's own. */
function schedulerAt(now: number | (() => number)) {
  const clock = { now: typeof now === 'number' ? () => now : now, monotonic: () => performance.now() };
  const made: string[] = [];
  const fatal: Error[] = [];
  const onFatal = (error: Error) => void fatal.push(error);
  const log = createLog('silent');
  const onTask = ({ session: of }: { session: string }) => void made.push(of);
  const scheduler = createScheduler({ reads: room.reads, writer: room.writer, clock, log, onTask, onFatal });
  onTestFinished(() => scheduler.close());
  return { scheduler, made, fatal };
}

/** @returns what a host would have ended for. */
async function lookAt(now: number): Promise<Error[]> {
  const { scheduler, fatal } = schedulerAt(now);
  scheduler.look();
  await scheduler.close();
  return fatal;
}

/** Does to the ledger what no host does. */
function meddle(sql: string): void {
  const db = new Database(`${room.folder}/host.db`);
  db.exec(sql);
  db.close();
}

describe('in the ledger', () => {
  beforeEach(async () => {
    await room.accept('hello', { now: NOW });
  });

  test('a request is answered by a row of kind system, which ends when the runner has taken it', async () => {
    const { answers: given } = await ask(1, 'schedule', { text: 'x', cron: '0 * * * *' });
    const [answer] = answers();
    expect(answer).toMatchObject({
      answers: 'row1',
      ok: true,
      result: { text: 'x', dueAt: NOW + HOUR, lastAt: null },
    });
    await ask(2, 'schedules', {});
    expect(answers()[1]).toMatchObject({ ok: true, result: [{ id: answer.result.id }] });
    await ask(3, 'cancel_schedule', { id: answer.result.id });
    expect(answers()[2]).toMatchObject({ ok: true, result: { id: answer.result.id } });
    expect(room.reads.schedules()).toEqual([]);

    const claims = [{ message: given[0]?.id ?? '', attempt: 1, outcome: { done: true as const } }];
    const taken = await room.writer.run('collect', {
      session,
      file: 'f',
      messages: [],
      claims,
      usage: [],
      now: NOW,
    });
    expect(taken).toMatchObject({ ended: [given[0]?.id], events: [] });
    expect(room.reads.session(session)?.queue).toBe(1);
  });

  test('an answer that no runner can take any more ends, and nobody in the chat is told', async () => {
    const { answers: given } = await ask(1, 'schedules', {});
    const messages = given.map(({ id, attempt }) => ({ id, attempt, dueAt: null }));
    const told = { session, code: 'E_OUTBOUND_INVALID', reason: 'its files broke the contract', now: NOW };
    expect(await room.writer.run('afterCrash', { ...told, messages })).toEqual({
      events: [],
      ended: [given[0]?.id],
    });
  });

  test('what is refused is answered, and told by a receipt with its code', async () => {
    await ask(1, 'schedule', { text: 'x', cron: 'never' });
    await ask(2, 'cancel_schedule', { id: 'sch_unknown' });
    expect(answers().map(({ ok, error }) => [ok, error.code])).toEqual([
      [false, 'E_REQUEST'],
      [false, 'E_SCHEDULE_UNKNOWN'],
    ]);
    await room.wake(session);
    const db = new Database(room.inbound(session), { readonly: true });
    const receipts = db.prepare('SELECT out_id, status, detail FROM receipts ORDER BY out_id').all();
    db.close();
    expect(receipts).toMatchObject([
      { out_id: 'row1', status: 'refused', detail: expect.stringMatching(/^E_REQUEST: `cron` is not/) },
      { out_id: 'row2', status: 'refused', detail: expect.stringMatching(/^E_SCHEDULE_UNKNOWN: /) },
    ]);
  });

  test('a session cannot touch the schedules of another', async () => {
    await room.accept('hello', { chat: 'd', now: NOW });
    await ask(1, 'schedule', { text: 'mine', cron: '0 * * * *' });
    const [{ id = '' } = {}] = room.reads.schedules();
    await ask(1, 'cancel_schedule', { id }, NOW, 's_d');
    await ask(2, 'schedules', {}, NOW, 's_d');
    expect(answers().slice(1)).toMatchObject([{ error: { code: 'E_SCHEDULE_UNKNOWN' } }, { result: [] }]);
    expect(room.reads.schedules()).toHaveLength(1);
  });

  test('no more than 50 schedules, and no more than 200 answers that nobody takes', async () => {
    for (let n = 1; n <= 52; n += 1) await ask(n, 'schedule', { text: `t${n}`, cron: '0 * * * *' });
    expect(room.reads.schedules()).toHaveLength(50);
    expect(answers().at(-1)).toMatchObject({ ok: false, error: { code: 'E_REQUEST_LIMIT' } });
    for (let n = 53; n <= 210; n += 1) await ask(n, 'schedules', {});
    expect(answers()).toHaveLength(200);
  });

  test('a task comes due once: a second look, a second host and a restart make no second one', async () => {
    await ask(1, 'schedule', { text: 'once', at: new Date(NOW + HOUR).toISOString() });
    await lookAt(NOW + HOUR - 1);
    expect(tasks()).toEqual([]);
    const [due] = room.reads.dueSchedules(NOW + HOUR, 10);
    await lookAt(NOW + HOUR);
    await lookAt(NOW + HOUR);
    await room.reopen();
    await lookAt(NOW + 2 * HOUR);
    const late = { id: due?.id ?? '', dueAt: due?.dueAt ?? 0, next: null, skip: false, now: NOW };
    expect(await room.writer.run('fireSchedule', late)).toBeUndefined();
    expect(tasks()).toEqual(['once']);
    expect(room.reads.schedules()).toEqual([]);
  });

  test('planned again for a time at which it has run, because the clock was set back: it counts as run', async () => {
    const once = { text: 'once', at: new Date(NOW + HOUR).toISOString(), key: 'k' };
    await ask(1, 'schedule', once);
    await lookAt(NOW + HOUR);
    meddle("UPDATE inbox SET status = 'answered', ended_at = 1");
    await ask(2, 'schedule', once);
    await ask(3, 'schedule', { text: 'other', at: once.at });
    expect(await lookAt(NOW + HOUR)).toEqual([]);
    expect(tasks()).toEqual(['once', 'other']);
    expect(room.reads.schedules()).toEqual([]);
  });

  test('one that cannot be carried out holds up no other, and is tried again', async () => {
    const at = new Date(NOW + HOUR).toISOString();
    for (const [index, text] of ['bad', 'good'].entries()) await ask(index + 1, 'schedule', { text, at });
    meddle(`CREATE TRIGGER bad BEFORE INSERT ON inbox WHEN new.body LIKE '%"text":"bad"%'
      BEGIN SELECT RAISE(ABORT, 'bad'); END`);
    expect(await lookAt(NOW + HOUR)).toEqual([]);
    expect(tasks()).toEqual(['good']);
    meddle('DROP TRIGGER bad');
    await lookAt(NOW + 1.5 * HOUR);
    expect(tasks()).toEqual(['good']);
    await lookAt(NOW + 2 * HOUR);
    expect(tasks()).toEqual(['good', 'bad']);
    expect(room.reads.schedules()).toEqual([]);
  });

  test('a ledger that takes nothing of it any more is heard', async () => {
    await ask(1, 'schedule', { text: 'x', cron: '0 * * * *' });
    meddle("CREATE TRIGGER all_bad BEFORE UPDATE ON schedules BEGIN SELECT RAISE(ABORT, 'bad'); END");
    expect(await lookAt(NOW + HOUR)).toMatchObject([{ code: 'E_LEDGER' }]);
  });

  test.each(['while the host runs', 'while none runs'])(
    'a clock that was ahead and is set back %s: a cron line comes due by it as it is',
    async (when) => {
      let now = NOW + 48 * HOUR;
      const { scheduler } = schedulerAt(() => now);
      await ask(1, 'schedule', { text: 'often', cron: '*/5 * * * *' }, now);
      await ask(2, 'schedule', { text: 'once', at: new Date(NOW + 50 * HOUR).toISOString() }, now);
      scheduler.look();
      const dueAt = (text: string) => room.reads.schedules().find((one) => one.text === text)?.dueAt;
      expect(dueAt('often')).toBe(now + 300_000);
      now = NOW;
      if (when === 'while none runs') await scheduler.close().then(() => lookAt(NOW));
      else scheduler.turnedBack();
      await expect.poll(() => dueAt('often')).toBe(NOW + 300_000);
      expect(dueAt('once')).toBe(NOW + 50 * HOUR);
      expect(tasks()).toEqual([]);
      await scheduler.close();
      await lookAt(NOW + 300_000);
      expect(tasks()).toEqual(['often']);
    },
  );

  test('what was missed while the host was down: one task, or none, and then the next time', async () => {
    await ask(1, 'schedule', { text: 'catches up', cron: '0 * * * *' });
    await ask(2, 'schedule', { text: 'skips', cron: '0 * * * *', missed: 'skip' });
    await ask(3, 'schedule', { text: 'too late', at: new Date(NOW + HOUR).toISOString(), missed: 'skip' });
    await lookAt(NOW + 10.5 * HOUR);
    expect(tasks()).toEqual(['catches up']);
    expect(room.reads.schedules().map(({ text, dueAt }) => [text, dueAt])).toEqual([
      ['catches up', NOW + 11 * HOUR],
      ['skips', NOW + 11 * HOUR],
    ]);
    await lookAt(NOW + 11 * HOUR + 1000);
    expect(tasks()).toEqual(['catches up', 'skips']); // the first task of `catches up` still waits
  });

  test('what was asked for and came due while the host was down: one task as soon as it is collected, or none', async () => {
    const soon = { at: new Date(NOW + 5 * MINUTE).toISOString() };
    const back = NOW + 10 * MINUTE;
    await ask(1, 'schedule', { text: 'late', ...soon }, back, session, NOW);
    await ask(2, 'schedule', { text: 'skipped', ...soon, missed: 'skip' }, back, session, NOW);
    await ask(3, 'schedule', { text: 'goes on', cron: '5 * * * *' }, back, session, NOW);
    expect(answers().map(({ ok }) => ok)).toEqual([true, true, true]);
    await lookAt(back);
    await lookAt(back);
    expect(tasks().toSorted()).toEqual(['goes on', 'late']);
    expect(room.reads.schedules().map(({ text, dueAt }) => [text, dueAt])).toEqual([
      ['goes on', NOW + HOUR + 5 * MINUTE],
    ]);
  });

  test.skipIf(!canMount)(
    'on a full disk it waits for room, and then makes its task once',
    async () => {
      const root = await mkdtemp(join(tmpdir(), 'berth-due-'));
      const disk = await mountSmallDisk(join(root, 'disk'), 8);
      onTestFinished(async () => {
        await disk.unmount();
        await rm(root, { recursive: true, force: true });
      });
      await room.close();
      await mkdir(join(disk.path, 'data'));
      room = await openLedgerRoom(join(disk.path, 'data'));
      await room.accept('hello', { now: NOW });
      await ask(1, 'schedule', { text: 'once', at: new Date(NOW + HOUR).toISOString() });
      await disk.fill();
      const full = async () => {
        for (;;) await room.accept('x'.repeat(1000), { now: NOW });
      };
      await expect(full()).rejects.toMatchObject({ code: 'E_DISK_FULL' });

      const { scheduler, made } = schedulerAt(NOW + HOUR);
      scheduler.look();
      await expect(room.accept('x'.repeat(1000))).rejects.toMatchObject({ code: 'E_DISK_FULL' });
      expect(made).toEqual([]);
      await disk.makeRoom();

      await expect.poll(() => made, { timeout: 10_000 }).toEqual([session]);
      await scheduler.close();
      expect(tasks()).toEqual(['once']);
      await room.close();
      room = await openLedgerRoom();
    },
    30_000,
  );

  test('a schedule goes with its chat', async () => {
    await ask(1, 'schedule', { text: 'x', cron: '0 * * * *' });
    const chat = room.reads.chat('test', 'echo', 'c');
    await room.writer.run('deleteChat', { chatId: chat?.id ?? 0 });
    expect(room.reads.schedules()).toEqual([]);
  });
});
