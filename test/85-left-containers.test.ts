import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type AwakeSession, AwakeSessions, awakeSession } from '../src/awake/awake-session.ts';
import type { Engine } from '../src/engines/engine.ts';
import { BerthError } from '../src/errors.ts';
import type { Group } from '../src/groups/group.ts';
import { createStop, type StopReason } from '../src/idle/stop-session.ts';
import { createLog } from '../src/log.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { createFail } from '../src/recovery/fail-session.ts';
import { createStrays } from '../src/recovery/remove-strays.ts';
import type { Writer } from '../src/writer/writer.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

const UNREACHABLE = 'E_ENGINE_UNREACHABLE';
const clock = { now: () => 2000, monotonic: () => 2000 };
const log = createLog('silent');

let room: LedgerRoom;
let session: AwakeSession;
/** An engine that can be away; what lives there. */
let isAway: boolean;
let living: Set<string>;
/** How often each was asked to go. */
let asked: Map<string, number>;
beforeEach(async () => {
  room = await openLedgerRoom();
  const { session: id } = await room.accept('hello');
  await room.wake(id);
  const cursor = { file: null, seq: 0, usage: 0, epoch: 0 };
  const rest = { epoch: 1, container: 'c_1', spec: undefined, cursor, startedAt: 0, activeAt: 0 };
  const folders = sessionFolders(room.folder, 'echo', id);
  session = awakeSession({ id, group: { folder: 'echo' } as Group, folders, state: 'waking', ...rest }, []);
  isAway = true;
  living = new Set(['c_1']);
  asked = new Map();
});
afterEach(() => room.close());

async function end(name: string): Promise<void> {
  asked.set(name, (asked.get(name) ?? 0) + 1);
  if (isAway) throw new BerthError(UNREACHABLE, 'the engine is away');
  living.delete(name);
}

const engine = { stop: end, remove: end, tail: async () => '' } as unknown as Engine;
const base = () => ({ engine, clock, log, writer: room.writer, reads: room.reads });

async function becomeAwake(): Promise<AwakeSessions> {
  await room.writer.run('change', { session: session.id, epoch: 1, now: 1000, from: 'waking', to: 'awake' });
  session.state = 'awake';
  const awake = new AwakeSessions();
  awake.add(session);
  return awake;
}

test('a container that could not be stopped is in the way of the next one until it is gone', async () => {
  const awake = await becomeAwake();
  const strays = createStrays({ engine, log });
  onTestFinished(strays.release);
  const stop = createStop({
    ...{ ...base(), awake, stopGraceMs: 0, collect: async () => undefined, onAsleep: () => undefined },
    onNotStopped: ({ id, container }) => void strays.remove(container, id),
    onFatal: (error) => expect.unreachable(String(error)),
  });

  await stop(session, 'shutdown');

  expect(room.reads.session(session.id)?.state).toBe('asleep');
  await expect(strays.gone(session.id)).rejects.toMatchObject({ code: UNREACHABLE });
  await strays.gone('another');
  isAway = false;
  await strays.gone(session.id);
  expect([...living]).toEqual([]);
});

test('and so is one whose start failed, and that could not be removed', async () => {
  const strays = createStrays({ engine, log });
  onTestFinished(strays.release);
  const fail = createFail({
    ...{ ...base(), strays, restarts: { most: 3, windowMs: 1000, pauseMs: 1000, longestPauseMs: 1000 } },
    report: async () => undefined,
    containerOf: () => session.container,
    onEvents: () => undefined,
    onRetryAt: () => undefined,
  });

  await fail(session.id, 1, new BerthError('E_WAKE_TIMEOUT', 'no first look'), session);

  expect(room.reads.session(session.id)?.state).toBe('failed');
  await expect(strays.gone(session.id)).rejects.toMatchObject({ code: UNREACHABLE });
  isAway = false;
  await strays.gone(session.id);
  expect([...living]).toEqual([]);
});

test('one that nobody asks for any more is removed by itself as soon as the engine can', async () => {
  const strays = createStrays({ engine, log, againMs: { first: 10, longest: 20 } });
  onTestFinished(strays.release);
  expect(await strays.remove('c_1', session.id)).toBe(false);
  await vi.waitUntil(() => (asked.get('c_1') ?? 0) >= 3, { timeout: 5000 });
  expect([...living]).toEqual(['c_1']);

  isAway = false;

  await vi.waitUntil(() => living.size === 0, { timeout: 5000 });
});

test('what the next container of that name is, is left alone', async () => {
  const strays = createStrays({ engine, log, againMs: { first: 10, longest: 20 } });
  onTestFinished(strays.release);
  await Promise.all([strays.remove('c_1', session.id), strays.remove('c_2', 'another')]);
  isAway = false;
  await strays.gone(session.id);
  living.add('c_1');
  isAway = true;
  const before = asked.get('c_1');
  const others = asked.get('c_2') ?? 0;
  void strays.remove('c_2', 'another');
  await vi.waitUntil(() => (asked.get('c_2') ?? 0) >= others + 4, { timeout: 5000 });
  expect(asked.get('c_1')).toBe(before);
  expect([...living]).toEqual(['c_1']);
});

test.each<[StopReason, boolean]>([
  ['broken', true],
  ['deleted', true],
  ['shutdown', false],
])('a session that cannot be put to sleep (%s) ends the host: %s', async (reason, isFatal) => {
  isAway = false;
  const awake = await becomeAwake();
  const refused = new BerthError('E_LEDGER', 'the ledger cannot be written');
  const run = room.writer.run as (command: string, args: unknown) => Promise<unknown>;
  const writer = {
    ...room.writer,
    run: (command: string, args: unknown) =>
      command === 'sleep' ? Promise.reject(refused) : run(command, args),
  } as Writer;
  const fatal: Error[] = [];
  const stop = createStop({
    ...{ ...base(), writer, awake, stopGraceMs: 0, collect: async () => undefined },
    onAsleep: () => expect.unreachable('it does not sleep'),
    onNotStopped: () => expect.unreachable('it was stopped'),
    onFatal: (error) => void fatal.push(error),
  });

  await expect(stop(session, reason)).rejects.toBe(refused);

  expect(fatal).toEqual(isFatal ? [refused] : []);
});

test('a host that ends asks a runner that works by its control, and kills it when the grace time is over', async () => {
  isAway = false;
  const awake = await becomeAwake();
  session.processing.add('m');
  const controls = () => {
    const db = new Database(room.inbound(session.id), { readonly: true });
    try {
      return db.prepare('SELECT verb FROM controls ORDER BY seq').pluck().all();
    } finally {
      db.close();
    }
  };
  const graces: number[] = [];
  let now = 2000;
  const stop = createStop({
    ...{ ...base(), awake, stopGraceMs: 30_000, collect: async () => undefined, onAsleep: () => undefined },
    clock: { now: () => now, monotonic: () => now },
    engine: { ...engine, stop: async (_: string, graceMs: number) => void graces.push(graceMs) } as Engine,
    onNotStopped: () => expect.unreachable('it was stopped'),
    onFatal: (error) => expect.unreachable(String(error)),
  });

  const stopped = stop(session, 'shutdown');
  await vi.waitUntil(() => controls().includes('stop'), { timeout: 5000 });
  expect(graces).toEqual([]);
  now += 4000;
  session.ended.resolve();
  await stopped;

  expect(graces).toEqual([26_000]);
});
