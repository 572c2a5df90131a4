import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AwakeSession, AwakeSessions, awakeSession } from '../src/awake/awake-session.ts';
import type { Engine } from '../src/engines/engine.ts';
import { BerthError } from '../src/errors.ts';
import type { Group } from '../src/groups/group.ts';
import { createStop } from '../src/idle/stop-session.ts';
import { createLog } from '../src/log.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { createFail } from '../src/recovery/fail-session.ts';
import { createStrays } from '../src/recovery/remove-strays.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

const UNREACHABLE = 'E_ENGINE_UNREACHABLE';
const clock = { now: () => 2000, monotonic: () => 2000 };
const log = createLog('silent');

let room: LedgerRoom;
let session: AwakeSession;
/** An engine that can be away; what lives there. */
let isAway: boolean;
let living: Set<string>;
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
});
afterEach(() => room.close());

async function end(name: string): Promise<void> {
  if (isAway) throw new BerthError(UNREACHABLE, 'the engine is away');
  living.delete(name);
}

const engine = { stop: end, remove: end, tail: async () => '' } as unknown as Engine;
const base = () => ({ engine, clock, log, writer: room.writer, reads: room.reads });

test('a container that could not be stopped is in the way of the next one until it is gone', async () => {
  await room.writer.run('change', { session: session.id, epoch: 1, now: 1000, from: 'waking', to: 'awake' });
  session.state = 'awake';
  const awake = new AwakeSessions();
  awake.add(session);
  const strays = createStrays({ engine, log });
  const stop = createStop({
    ...{ ...base(), awake, stopGraceMs: 0, collect: async () => undefined, onAsleep: () => undefined },
    onNotStopped: ({ id, container }) => void strays.remove(container, id),
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
