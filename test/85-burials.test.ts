import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AwakeSessions, type CollectableSession } from '../src/awake/awake-session.ts';
import { systemClock } from '../src/clock.ts';
import { createCollect } from '../src/delivery/collect-outbound.ts';
import type { OutboxRow } from '../src/ledger/rows.ts';
import { createSlowLooks } from '../src/mailbox/slow-looks.ts';
import { createBury } from '../src/recovery/bury-session.ts';
import { createStrays } from '../src/recovery/remove-strays.ts';
import { createUnseen } from '../src/recovery/take-left.ts';
import { watchHealth } from '../src/recovery/watch-health.ts';
import { livingSession, openLivingRoom } from './fixtures/living-session.ts';

const log = pino({ level: 'silent' });
const never = new Promise<never>(() => undefined);
const restarts = { most: 0, windowMs: 60_000, pauseMs: 1000, longestPauseMs: 1000 };
const HUNG = {
  class: 'hung',
  words: 'its runner hung',
  exitCode: null,
  signal: null,
  oomKilled: false,
} as const;
const DEAD = { ...HUNG, class: 'crash', words: 'it exited with code 1', exitCode: 1 } as const;

/** A session whose container works on a message, and an engine that does what it is told to. */
async function openGrave(
  engine: { remove(name: string): Promise<void>; tail?(): Promise<string> },
  most = 0,
) {
  const room = await openLivingRoom();
  const { ledger, session } = room;
  const awake = new AwakeSessions();
  awake.add(session);
  const events: OutboxRow[] = [];
  const resumed: string[] = [];
  const slowLooks = createSlowLooks();
  onTestFinished(() => slowLooks.close());
  const collect = createCollect({
    ...{ writer: ledger.writer, reads: ledger.reads, clock: systemClock, slowLooks, keyless: [] },
    ...{ maxFileBytes: 1, turnRetries: {} as never, diskLimitOf: () => 1 },
    judge: () => expect.unreachable(),
    marks: { take: () => [], giveBack: () => undefined } as never,
    onCollected: (_, result) => void events.push(...result.events),
    ...{ onUnread: () => undefined, onRead: () => undefined },
    ...{ onInvalid: (_, error) => expect.unreachable(String(error)) },
    onTrouble: (_, error) => expect.unreachable(String(error)),
  });
  const deps = {
    ...{ writer: ledger.writer, reads: ledger.reads, clock: systemClock, log, dataDir: ledger.folder, awake },
    ...{ restarts: { ...restarts, most }, report: async () => undefined },
    collect: (of: CollectableSession) => collect(of),
    crashRetryAt: (attempt: number, now: number) => (attempt < 3 ? now : null),
    onEvents: (more: OutboxRow[]) => void events.push(...more),
    engine: { tail: async () => '', ...engine } as never,
  };
  const strays = createStrays(deps);
  const unseen = createUnseen(deps);
  const told = Promise.withResolvers<string>();
  const bury = createBury({
    ...{ ...deps, strays, onUnseen: unseen.note },
    onResume: (id) => void resumed.push(id),
    onGivenUp: async (_, error) => told.resolve(error.code),
  });
  return { ...room, events, resumed, strays, unseen, bury, told: told.promise };
}

function soon<T>(what: Promise<T>, ms: number): Promise<T | 'too late'> {
  return Promise.race([what, new Promise<'too late'>((resolve) => setTimeout(resolve, ms, 'too late'))]);
}

test('who waits is told within 10 s that a session has failed, whatever the engine does meanwhile', async () => {
  for (const [death, ending] of [
    [DEAD, undefined],
    [HUNG, { alive: true, over: new Set<string>() }],
  ] as const) {
    const { session, bury, told } = await openGrave({ remove: () => never, tail: () => never });
    void bury(session, death, ending);
    expect(await soon(told, 10_000)).toBe('E_RESTARTS');
  }
}, 30_000);

test('a hung container that the engine does not remove lives on and replies: that reply is the only one', async () => {
  let isThere = true;
  const remove = async () => {
    if (isThere) throw new Error('the engine is away');
  };
  const grave = await openGrave({ remove }, 3);
  await grave.bury(grave.session, HUNG, { alive: true, over: new Set() });
  expect(grave.resumed).toEqual([grave.session.id]);
  // Its next container must wait.
  await expect(grave.strays.gone(grave.session.id)).rejects.toThrow('away');

  grave.reply('late');
  isThere = false;
  await grave.strays.gone(grave.session.id);
  await grave.unseen.settle(grave.session.id);

  expect(grave.events).toMatchObject([{ type: 'message', body: { text: 'late' } }]);
  expect(grave.ledger.reads.session(grave.session.id)?.queue).toBe(0);
});

test('one that does not reply any more has tried once', async () => {
  let isThere = true;
  const remove = async () => {
    if (isThere) throw new Error('the engine is away');
  };
  const grave = await openGrave({ remove }, 3);
  await grave.bury(grave.session, HUNG, { alive: true, over: new Set() });
  isThere = false;
  await grave.strays.gone(grave.session.id);
  await grave.unseen.settle(grave.session.id);

  expect(grave.events).toEqual([]);
  const { waiting } = await grave.ledger.writer.run('standing', { session: grave.session.id });
  expect(waiting).toMatchObject([{ id: grave.message, attempt: 2 }]);
});

test('while one container is buried the health of the others is watched', async () => {
  const awake = new AwakeSessions();
  awake.add(await livingSession('one'));
  const buried: string[] = [];
  const watch = watchHealth({
    ...{ awake, writer: {} as never, clock: systemClock, log },
    health: { heartbeatMs: 100, silenceMs: 60_000, nudgeMs: 60_000, abortMs: 60_000, turnGraceMs: 60_000 },
    bury(session) {
      session.state = 'stopping';
      buried.push(session.id);
      return never;
    },
    onFatal: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(watch.release);
  await vi.waitUntil(() => buried.length === 1, { timeout: 5000 });
  awake.add(await livingSession('two'));

  await vi.waitUntil(() => buried.length === 2, { timeout: 5000 });

  expect(buried).toEqual(['one', 'two']);
});
