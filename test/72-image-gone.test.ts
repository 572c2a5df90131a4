import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AwakeSessions } from '../src/awake/awake-session.ts';
import { systemClock } from '../src/clock.ts';
import type { ContainerSpec, Engine } from '../src/engines/engine.ts';
import { BerthError, type ErrorCode } from '../src/errors.ts';
import type { Group } from '../src/groups/group.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { type Admission, createAdmission } from '../src/wake/admit.ts';
import type { ImageChoice } from '../src/wake/plan-container.ts';
import { createWake, type Wake } from '../src/wake/wake-session.ts';
import { silent } from './fixtures/engine-room.ts';
import { type LedgerRoom, openLedgerRoom } from './fixtures/ledger-room.ts';

const group = { folder: 'echo', agent: { provider: 'claude', options: {} } } as unknown as Group;
const session = 's_c';

/** One wake over a real ledger. The engine has the images that the test says; the group's own can be made anew. */
let room: LedgerRoom;
let engineHas: Set<string>;
/** What there is to start from as far as the host knows, and once the group's image is known to be gone. */
let known: ImageChoice;
let base: ImageChoice;
let installing: PromiseWithResolvers<void>;
/** Waits for packages so far. */
let waits: number;
/** Images that the engine was asked to start from. */
let tried: string[];
let failures: ErrorCode[];
let admission: Admission;
let wakes: Wake;

beforeEach(async () => {
  room = await openLedgerRoom();
  await room.accept('hello');
  [engineHas, known, base] = [new Set(['base']), { image: 'old' }, { image: 'base', lacks: true }];
  [waits, tried, failures] = [0, [], []];
  installing = Promise.withResolvers();
  const awake = new AwakeSessions(() => admission.look());
  const shared = { awake, clock: systemClock, log: silent, tell: () => undefined };
  admission = createAdmission({ ...shared, reads: room.reads, most: () => 1, stop: async () => undefined });
  const engine = {
    async start({ image }: ContainerSpec) {
      tried.push(image);
      if (!engineHas.has(image)) throw new BerthError('E_IMAGE_MISSING', `no such image: ${image}`);
      awake.get(session)?.started.resolve();
    },
    remove: async () => undefined,
  } as unknown as Engine;
  wakes = createWake({
    ...{ ...shared, engine, admission, writer: room.writer, reads: room.reads, install: 'test' },
    ...{ startTimeoutMs: 1000, group: () => group, cleared: async () => undefined },
    ...{ checkRoom: async () => undefined, onStarting: () => undefined, onAwake: () => undefined },
    images: {
      imageFor: async () => known,
      async provide(_, signal) {
        waits += 1;
        if (!known.lacks) return;
        signal.addEventListener('abort', () => installing.reject(signal.reason));
        await installing.promise;
      },
      awaited: () => (known.lacks ? { packages: group.agent.provider } : null),
      async imageGone() {
        known = base;
        return known;
      },
    },
    plan: async ({ id }) => ({
      group,
      folders: sessionFolders(room.folder, 'echo', id),
      checks: undefined,
      spec: (_, image) => ({ image }) as ContainerSpec,
      body: ({ notice }) => ({
        ...{ group: 'echo', agent: group.agent, turnLimitMs: 1000 },
        notices: notice ? [notice] : [],
      }),
    }),
    async onFailed(_id, _epoch, error) {
      failures.push(error.code);
    },
  });
});
afterEach(async () => {
  admission.close();
  await room.close();
});

const state = () => room.reads.session(session)?.state;
const installed = (image: string) => {
  known = { image };
  engineHas.add(image);
  installing.resolve();
};
const until = (holds: () => boolean) => vi.waitUntil(holds, { timeout: 5000, interval: 1 });

test('an image that is gone: the message waits for the packages, without a place, and starts from the new one', async () => {
  const woken = wakes.wake(session);
  await until(() => waits === 2);
  expect(tried).toEqual(['old']);
  expect(state()).toBe('asleep');
  expect(wakes.awaitedImage(session)).toEqual({ packages: 'claude' });
  expect(admission.places()).toMatchObject({ taken: 0, waiting: 0 });

  installed('new');
  await woken;
  expect(tried).toEqual(['old', 'new']);
  expect(state()).toBe('awake');
  expect(failures).toEqual([]);
});

test('one that went while the wake was in line, as another session found out: it is waited for again', async () => {
  const { enter } = admission;
  admission.enter = (...args) => {
    if (waits === 1) known = base;
    return enter(...args);
  };
  const woken = wakes.wake(session);
  await until(() => waits === 2 || tried.length > 0);
  expect(tried).toEqual([]);
  installed('new');
  await woken;
  expect([tried, state(), failures]).toEqual([['new'], 'awake', []]);
});

test('a provider that needs no packages starts from the base at once', async () => {
  base = { image: 'base', notice: 'packages are missing' };
  await wakes.wake(session);
  expect([tried, state(), waits]).toEqual([['old', 'base'], 'awake', 1]);
});

test('an image that is gone each time is told, and nobody tries for ever', async () => {
  const woken = wakes.wake(session);
  await until(() => waits === 2);
  known = { image: 'new' };
  installing.resolve();
  await woken;
  expect([tried, state(), failures]).toEqual([['old', 'new'], 'asleep', ['E_IMAGE_MISSING']]);
});

test('a chat that is deleted, or a host that stops, ends the wait: nothing is told', async () => {
  const woken = wakes.wake(session);
  await until(() => waits === 2);
  await wakes.cancel(session);
  await woken;
  expect([tried, state(), failures]).toEqual([['old'], 'asleep', []]);
});
