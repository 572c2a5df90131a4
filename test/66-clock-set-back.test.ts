import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { AwakeSessions } from '../src/awake/awake-session.ts';
import type { Clock } from '../src/clock.ts';
import { createRevisits } from '../src/recovery/revisit.ts';
import { watchClock } from '../src/recovery/watch-clock.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

const DAY = 86_400_000;
let room: LedgerRoom;
beforeEach(async () => {
  room = await openLedgerRoom();
});
afterEach(() => room.close());

function textsIn(inbound: string): string[] {
  const db = new Database(inbound, { readonly: true });
  const rows = db.prepare('SELECT body FROM messages ORDER BY seq').all() as { body: string }[];
  db.close();
  return rows.map(({ body }) => JSON.parse(body).text);
}

test('what was accepted before the clock was set back is in the file of the next container, and in order', async () => {
  await room.accept('one', { now: 1000 + 2 * DAY });
  await room.wake('s_c'); // its clock says 1000
  await room.accept('two', { now: 1001 });
  await room.writer.run('putDue', { session: 's_c', now: 1002 });
  // Whoever looks keeps the writer off for that moment.
  await waitUntil('both messages', 5000, () => textsIn(room.inbound('s_c')).length > 1);
  expect(textsIn(room.inbound('s_c'))).toEqual(['one', 'two']);
});

/** The host's clocks, wrong by `wrongBy`, and what it does about that. */
function hostWith(clock: Clock) {
  const awake = new AwakeSessions();
  const woken: number[] = [];
  const { writer } = room;
  const onFatal = (error: Error) => expect.unreachable(error.message);
  const thaw = async () => expect.unreachable('nothing is frozen here');
  const wake = () => void woken.push(clock.now());
  const revisits = createRevisits({ clock, awake, writer, wake, thaw, onFatal });
  onTestFinished(revisits.releaseAll);
  const log = pino({ level: 'silent' });
  const watch = async () => {
    const release = await watchClock({ clock, writer, awake, log, onTurnedBack: revisits.turnBack });
    onTestFinished(release);
    return release;
  };
  return { revisits, woken, watch };
}

/** A message whose turn was broken off is tried again 1.5 s from now. */
async function acceptAndCrash(clock: Clock) {
  const { message, session } = await room.accept('one', { now: clock.now() });
  const dueAt = clock.now() + 1500;
  const messages = [{ id: message, attempt: 1, dueAt }];
  const crash = { session, code: 'E_TURN_CRASHED', reason: 'it died', now: clock.now(), messages };
  await room.writer.run('afterCrash', crash);
  return { session, dueAt };
}

function dueInLedger(): number {
  const db = new Database(`${room.folder}/host.db`, { readonly: true });
  const row = db.prepare('SELECT due_at FROM inbox').get() as { due_at: number };
  db.close();
  return row.due_at;
}

test('a retry comes in its time although the clock was set back by two days', async () => {
  let wrongBy = 0;
  const clock = { now: () => Date.now() + wrongBy, monotonic: () => performance.now() };
  const { revisits, woken, watch } = hostWith(clock);
  await watch();
  const { session, dueAt } = await acceptAndCrash(clock);
  revisits.at(session, dueAt);
  wrongBy = -2 * DAY;
  await waitUntil('the look', 8000, () => woken.length > 0);
  await room.wake(session);
  expect(dueInLedger()).toBeLessThanOrEqual(clock.now());
});

test.each([
  ['no host ran', 0],
  ['no host ran, and the machine was started anew', -performance.now()],
])('so it does where the clock was set back while %s', async (_when, monotonicIsOff) => {
  let wrongBy = 0;
  let off = 0;
  const clock = { now: () => Date.now() + wrongBy, monotonic: () => performance.now() + off };
  const earlier = hostWith(clock);
  const release = await earlier.watch();
  await acceptAndCrash(clock);
  await release();
  wrongBy = -2 * DAY;
  off = monotonicIsOff;
  await hostWith(clock).watch();
  expect(dueInLedger()).toBeLessThanOrEqual(clock.now() + 1500);
});

test('a clock that was set forward, or is kept right a little, moves nothing', async () => {
  let wrongBy = 0;
  const clock = { now: () => Date.now() + wrongBy, monotonic: () => performance.now() };
  const release = await hostWith(clock).watch();
  const { dueAt } = await acceptAndCrash(clock);
  await release();
  for (const wrong of [-400, 2 * DAY, 2 * DAY - 400]) {
    wrongBy = wrong;
    await (await hostWith(clock).watch())();
    expect(dueInLedger()).toBe(dueAt);
  }
});
