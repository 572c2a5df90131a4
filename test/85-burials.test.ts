import { statSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AwakeSessions, type CollectableSession } from '../src/awake/awake-session.ts';
import { systemClock } from '../src/clock.ts';
import { createCollect } from '../src/delivery/collect-outbound.ts';
import { BerthError } from '../src/errors.ts';
import { createFreeze } from '../src/idle/freeze-session.ts';
import { createStop } from '../src/idle/stop-session.ts';
import { createThaw } from '../src/idle/thaw-session.ts';
import type { OutboxRow } from '../src/ledger/rows.ts';
import { createSlowLooks, type SlowLooks } from '../src/mailbox/slow-looks.ts';
import { createBury } from '../src/recovery/bury-session.ts';
import { createHeedPause } from '../src/recovery/heed-pause.ts';
import { createStrays } from '../src/recovery/remove-strays.ts';
import { createUnseen } from '../src/recovery/take-left.ts';
import { watchHealth } from '../src/recovery/watch-health.ts';
import type { CommandName } from '../src/writer/commands.ts';
import type { Writer } from '../src/writer/writer.ts';
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

/**
 * A session whose container works on a message, and an engine that does what it is told to.
 * @param trouble how looks in a process of their own fail; none: they do not.
 */
async function openGrave(
  engine: { remove(name: string): Promise<void>; tail?(): Promise<string> },
  most = 0,
  trouble?: Error,
) {
  const room = await openLivingRoom();
  const { ledger, session } = room;
  const awake = new AwakeSessions();
  awake.add(session);
  const events: OutboxRow[] = [];
  const resumed: string[] = [];
  const slowLooks = createSlowLooks();
  onTestFinished(() => slowLooks.close());
  const failing: SlowLooks = { ...slowLooks, look: () => Promise.reject(trouble) };
  const collect = createCollect({
    ...{ writer: ledger.writer, reads: ledger.reads, clock: systemClock, keyless: [] },
    slowLooks: trouble ? failing : slowLooks,
    ...{ maxFileBytes: 1, turnRetries: {} as never, diskLimitOf: () => 1 },
    judge: () => expect.unreachable(),
    marks: { take: () => [], giveBack: () => undefined } as never,
    onCollected: (_, result) => void events.push(...result.events),
    ...{ onUnread: () => undefined, onRead: () => undefined },
    ...{ onInvalid: (_, error) => expect.unreachable(String(error)) },
    onTrouble: (_, error) => expect(error).toBe(trouble),
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
  onTestFinished(strays.release);
  const unseen = createUnseen(deps);
  const told = Promise.withResolvers<string>();
  const bury = createBury({
    ...{ ...deps, strays, onUnseen: unseen.note },
    onResume: (id) => void resumed.push(id),
    onGivenUp: async (_, error) => told.resolve(error.code),
  });
  return { ...room, awake, collect, events, resumed, strays, unseen, bury, told: told.promise };
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

/** The attempts of the messages that wait. */
async function attemptsOf({ ledger, session }: Awaited<ReturnType<typeof openGrave>>): Promise<number[]> {
  const { waiting } = await ledger.writer.run('standing', { session: session.id });
  return waiting.map(({ attempt }) => attempt);
}

test('a container that dies in the commit after its reply has replied once', async () => {
  const grave = await openGrave({ remove: async () => undefined }, 3);
  grave.reply('the one reply');
  leaveCommit(grave.session.folders.outbound);
  await grave.bury(grave.session, DEAD);
  expect(grave.resumed).toEqual([grave.session.id]);
  await grave.unseen.settle(grave.session.id);
  expect(await attemptsOf(grave)).toEqual([1]);

  // The next runner opens the file, which rolls that commit back.
  grave.write(() => undefined);
  await grave.collect(grave.session);

  expect(grave.events).toMatchObject([{ type: 'message', body: { text: 'the one reply' } }]);
  expect(await attemptsOf(grave)).toEqual([]);
});

test('and so has one whose last look fails for a reason of the host', async () => {
  const trouble = new Error('too many open files');
  const grave = await openGrave({ remove: async () => undefined }, 3, trouble);
  grave.reply('the one reply');
  grave.write((db) => db.exec('CREATE TABLE own AS SELECT zeroblob(5e6) AS x')); // more than a quick look takes on
  await grave.bury(grave.session, DEAD);
  expect(grave.resumed).toEqual([grave.session.id]);
  await grave.unseen.settle(grave.session.id);
  expect(await attemptsOf(grave)).toEqual([1]);
});

/** What a writer that is killed in a commit leaves beside its file: a journal whose header says how large the file was. */
function leaveCommit(outbound: string): void {
  const journal = Buffer.alloc(512);
  Buffer.from('d9d505f920a163d7', 'hex').copy(journal);
  journal.writeUInt32BE(statSync(outbound).size / 4096, 16);
  journal.writeUInt32BE(512, 20);
  journal.writeUInt32BE(4096, 24);
  writeFileSync(`${outbound}-journal`, journal);
}

/** The ledger, whose answers to one command are held back until `answer`. @returns also when the first of them is there. */
function holdAnswer(writer: Writer, held: CommandName) {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const runAny = writer.run as (command: CommandName, args: unknown) => Promise<unknown>;
  async function run(command: CommandName, args: unknown): Promise<unknown> {
    const result = await runAny(command, args);
    if (command !== held) return result;
    asked.resolve();
    await answer.promise;
    return result;
  }
  return { writer: { ...writer, run } as Writer, asked: asked.promise, answer: answer.resolve };
}

/** A session that has nothing to do. @returns also what is asked of the engine, and the host's hands on the session. */
async function openIdleGrave(held: CommandName, isFrozen = false) {
  const calls: string[] = [];
  const call = (what: string) => async () => void calls.push(what);
  const engine = {
    ...{ remove: call('remove'), stop: call('stop'), pause: call('pause'), unpause: call('unpause') },
    tail: async () => '',
  };
  const grave = await openGrave(engine, 3);
  const { session, awake, collect, ledger } = grave;
  grave.reply('done');
  await collect(session);
  if (isFrozen) {
    const step = { session: session.id, epoch: 1, now: 1000 };
    await ledger.writer.run('foundPaused', step);
    session.state = 'frozen';
  }
  const { writer, ...holding } = holdAnswer(ledger.writer, held);
  const onFatal = (error: Error) => expect.unreachable(String(error));
  const deps = { writer, engine: engine as never, awake, clock: systemClock, log, collect, onFatal };
  const thaw = createThaw(deps);
  return {
    ...{ ...grave, ...holding, calls, engine, thaw },
    freeze: createFreeze({ ...deps, thaw }),
    heedPause: createHeedPause(deps),
    stop: createStop({ ...deps, stopGraceMs: 0, onNotStopped: onFatal as never, onAsleep: onFatal as never }),
  };
}

type Idle = Awaited<ReturnType<typeof openIdleGrave>>;

async function parkAndFreeze({ freeze, session }: Idle): Promise<void> {
  const frozen = freeze(session);
  session.freezing?.hear({ epoch: 1, controlSeq: 1, parked: true });
  await frozen;
}

test.each<[string, CommandName, boolean, (room: Idle) => Promise<void>]>([
  ['stopped', 'beginStop', false, ({ stop, session }) => stop(session, 'idle')],
  ['stopped by force', 'forceStop', false, ({ stop, session }) => stop(session, 'deleted')],
  ['asked to park', 'beginFreeze', false, ({ freeze, session }) => freeze(session)],
  ['frozen', 'beginPause', false, parkAndFreeze],
  ['thawed', 'change', true, ({ thaw, session }) => thaw(session)],
  ['taken for paused', 'foundPaused', false, ({ heedPause, session }) => heedPause(session.container)],
])('a container that dies while it is being %s is buried once, and its successor lives', async (...row) => {
  const [, command, isFrozen, begin] = row;
  const room = await openIdleGrave(command, isFrozen);
  const { session, ledger, calls } = room;
  const begun = begin(room);
  await room.asked;
  await room.bury(session, DEAD);
  const { epoch } = (await ledger.wake(session.id)) ?? {};
  expect(epoch).toBe(2);
  calls.length = 0;

  room.answer();
  await begun;

  expect(calls).toEqual([]);
  expect(session.state).toBe('stopping');
  expect(ledger.reads.session(session.id)).toMatchObject({ state: 'waking', epoch: 2 });
});

test('a thaw that the engine refuses for good does not end the successor', async () => {
  const room = await openIdleGrave('installId', true);
  const { session, ledger, calls, engine } = room;
  const last = Promise.withResolvers<never>();
  const refusals = [1, 2].map(() => async () => {
    throw new BerthError('E_ENGINE_REFUSED', 'no');
  });
  const isAsked = Promise.withResolvers<void>();
  engine.unpause = async () => {
    const refuse = refusals.pop();
    if (refuse) return refuse();
    isAsked.resolve();
    return last.promise;
  };
  const thawed = room.thaw(session);
  await isAsked.promise;
  await room.bury(session, DEAD);
  await ledger.wake(session.id);
  calls.length = 0;

  last.reject(new BerthError('E_ENGINE_REFUSED', 'no'));
  await thawed;

  expect(calls).toEqual([]);
});
