import { expect, onTestFinished, test } from 'vitest';
import { type AwakeSession, AwakeSessions } from '../src/awake/awake-session.ts';
import { createRevisits } from '../src/recovery/revisit.ts';
import type { Writer } from '../src/writer/writer.ts';
import { waitUntil } from './fixtures/host-process.ts';

const START = Date.now();
/** Goes at half the speed of timers, which so fire far too early. */
const slowClock = {
  now: () => START + Math.floor((Date.now() - START) / 2),
  monotonic: () => performance.now(),
};

/** Revisits of one session; `asked` holds when the ledger was asked for what is due, `woken` when it was woken. */
function openRevisits() {
  const awake = new AwakeSessions();
  const asked: number[] = [];
  const woken: number[] = [];
  const writer = {
    run: async (_command: string, { now }: { now: number }) => void asked.push(now),
  } as unknown as Writer;
  const wake = () => void woken.push(slowClock.now());
  const thaw = async () => expect.unreachable('nothing is frozen here');
  const onFatal = (error: Error) => expect.unreachable(error.message);
  const revisits = createRevisits({ clock: slowClock, awake, writer, wake, thaw, onFatal });
  onTestFinished(revisits.releaseAll);
  return { revisits, awake, asked, woken };
}

/** A session that is awake, with retries at those times. */
function sessionWith(dueAts: number[]): AwakeSession {
  const open = new Map(dueAts.map((dueAt, n) => [`m${n}`, { id: `m${n}`, attempt: 2, wake: true, dueAt }]));
  const over = Promise.withResolvers<void>();
  return { id: 's', container: 'c', state: 'awake', open, over } as unknown as AwakeSession;
}

test('a timer that fires too early does not look before its time', async () => {
  const { revisits, woken } = openRevisits();
  const at = slowClock.now() + 40;
  revisits.at('s', at);
  revisits.at('s', at + 1000);
  await waitUntil('the look', 2000, () => woken.length > 0);
  expect(woken).toHaveLength(1);
  expect(woken[0]).toBeGreaterThanOrEqual(at);
});

test('of several retries each is looked at in its time', async () => {
  const { revisits, awake, asked, woken } = openRevisits();
  const now = slowClock.now();
  const due = [now + 80, now + 20, now + 50];
  const session = sessionWith(due);
  awake.add(session);
  revisits.awaitRetries(session);
  await waitUntil('three looks', 2000, () => asked.length >= 3);
  const inTime = due.toSorted().every((at, n) => (asked[n] ?? 0) >= at);
  expect({ inTime, looks: asked.length, woken }).toEqual({ inTime: true, looks: 3, woken: [] });
});
