import { describe, expect, test } from 'vitest';
import type { SessionRow } from '../src/ledger/ledger-reads.ts';
import { explainWait, type WhyFacts } from '../src/recovery/explain-wait.ts';
import { observe } from '../src/recovery/judge-health.ts';

const NOW = 1_000_000_000;
const periods = {
  heartbeatMs: 30_000,
  silenceMs: 300_000,
  nudgeMs: 120_000,
  abortMs: 10_000,
  turnGraceMs: 30_000,
};
const healthy = observe(
  undefined,
  { beat: 'b', activity: 1, quietMs: 0, claimed: ['1 m1'], unclaimed: false },
  0,
);
const live = { processing: [] as string[], health: healthy, turnLimitMs: 1_800_000, outdated: false };
const host = { periods, trouble: null, place: null, image: null, live: null };

function facts(row: Partial<SessionRow>, rest: Partial<WhyFacts> = {}): WhyFacts {
  return {
    now: NOW,
    row: { ...sessionRow, ...row },
    waiting: [message()],
    undelivered: [],
    told: undefined,
    host,
    crash: undefined,
    ...rest,
  };
}

const sessionRow: SessionRow = {
  ...{
    id: 's1',
    group: 'demo',
    channel: 'http',
    chat: 'c',
    thread: null,
    state: 'awake',
    since: NOW - 60_000,
  },
  ...{
    epoch: 1,
    queue: 1,
    schedules: 0,
    errorCode: null,
    errorReason: null,
    errorAt: null,
    retryAt: null,
    failures: 0,
  },
  ...{ troubles: '[]', quietSince: null, startedAt: NOW },
};

function message(change: object = {}) {
  const times = { dueAt: NOW - 240_000, createdAt: NOW - 240_000, toldAt: null };
  return { id: 'm1', attempt: 1, wake: 1, ...times, chatId: 1, thread: null, ...change };
}

function event(change: object) {
  return { n: 1, status: 'pending', attempts: 0, dueAt: null, error: null, createdAt: NOW - 5, ...change };
}

const failed = {
  state: 'failed',
  errorCode: 'E_RESTARTS',
  errorReason: 'it died 4 times\nlast lines',
  retryAt: NOW + 90_000,
} as const;

describe('where the oldest message stands', () => {
  test.each<[string, WhyFacts, string, RegExp, RegExp]>([
    [
      'nobody waits',
      facts({}, { waiting: [] }),
      'nothing-waits',
      /^nobody waits/,
      /^the next message is answered$/,
    ],
    [
      'only context waits',
      facts({}, { waiting: [message({ wake: 0 })] }),
      'nothing-waits',
      /^nobody waits/,
      /./,
    ],
    ['no host runs', facts({}, { host: null }), 'no-host', /no host runs/, /npm start/],
    [
      'it has failed',
      facts(failed),
      'failed',
      /^the session has failed: E_RESTARTS: it died 4 times$/,
      /by itself in 90 s, at once by `berth retry s1`/,
    ],
    [
      'a retry',
      facts({}, { waiting: [message({ attempt: 2, dueAt: NOW + 5000 })] }),
      'retry',
      /^attempt 1 failed; attempt 2 of 3 waits/,
      /^tried again in 5 s$/,
    ],
    ['asleep', facts({ state: 'asleep' }), 'asleep', /no container/, /about to start/],
    [
      'asleep, and the group is broken',
      facts({ state: 'asleep' }, { host: { ...host, trouble: 'line 3 is wrong' } }),
      'asleep',
      /besides: line 3 is wrong/,
      /./,
    ],
    ['waking', facts({ state: 'waking' }), 'waking', /being started/, /or the start fails/],
    ['stopping', facts({ state: 'stopping' }), 'stopping', /being stopped/, /a new one/],
    ['frozen', facts({ state: 'frozen' }), 'frozen', /frozen/, /thaw/],
    [
      'in the container',
      facts({}, { host: { ...host, live } }),
      'in-container',
      /has not taken it up/,
      /started anew after 5 minutes/,
    ],
    [
      'behind another turn',
      facts({}, { host: { ...host, live: { ...live, processing: ['m0'] } } }),
      'in-container',
      /another turn/,
      /after that one/,
    ],
    [
      'worked on',
      facts({}, { host: { ...host, live: { ...live, processing: ['m1'] } } }),
      'turn',
      /works on it$/,
      /may take 30 minutes.*no sign of life for 0 s.*berth logs s1/,
    ],
    [
      'worked on by an old container',
      facts({}, { host: { ...host, live: { ...live, processing: ['m1'], outdated: true } } }),
      'turn',
      /replaced after this turn/,
      /./,
    ],
    [
      'nudged',
      facts(
        {},
        {
          host: {
            ...host,
            live: {
              ...live,
              processing: ['m1'],
              health: { ...healthy, activityAge: 310_000, nudgedAge: 10_000 },
            },
          },
        },
      ),
      'turn',
      /works/,
      /nudged \(no sign of life for 5.2 minutes\) and is aborted in 110 s/,
    ],
    [
      'aborted',
      facts(
        {},
        {
          host: { ...host, live: { ...live, processing: ['m1'], health: { ...healthy, abortedAge: 4000 } } },
        },
      ),
      'turn',
      /works/,
      /aborted .*started anew in 6 s/,
    ],
    [
      'being delivered',
      facts({}, { waiting: [], undelivered: [event({ status: 'sending' })] }),
      'delivery',
      /is there, and is being delivered$/,
      /^it is sent now$/,
    ],
    [
      'delivered later',
      facts(
        {},
        {
          waiting: [],
          undelivered: [
            event({ status: 'retry', attempts: 2, dueAt: NOW + 4000, error: 'HTTP 503' }),
            event({}),
          ],
        },
      ),
      'delivery',
      /could not be delivered 2 times \(and 1 after it\); the platform said: HTTP 503$/,
      /^it is sent again in 4 s; see `berth outbox`$/,
    ],
    [
      'given up',
      facts({}, { waiting: [], undelivered: [event({ status: 'dead', attempts: 9 })] }),
      'delivery',
      /could not be delivered$/,
      /berth outbox resend/,
    ],
    [
      'without the packages of its provider',
      facts({ state: 'asleep' }, { host: { ...host, image: { packages: 'claude' } } }),
      'packages',
      /packages of claude are being installed/,
      /is told why it is not/,
    ],
    [
      'without a base image',
      facts({ state: 'asleep' }, { host: { ...host, image: { base: 'berth-base:latest' } } }),
      'base-image',
      /base image berth-base:latest is being built/,
      /is told why it is not/,
    ],
    [
      'in the line',
      facts({ state: 'asleep' }, { host: { ...host, place: 3 } }),
      'line',
      /number 3 in the line/,
      /is started when/,
    ],
  ])('%s', (_what, known, stage, words, next) => {
    const why = explainWait(known);
    expect(why.stage).toBe(stage);
    expect(why.words).toMatch(words);
    expect(why.next).toMatch(next);
    expect(why.since === null).toBe(stage === 'nothing-waits');
  });
});

test('what was tried: attempts, failures, the last error, a crash, what was told', () => {
  const why = explainWait(
    facts(
      { failures: 2, errorCode: 'E_TURN_CRASHED', errorReason: 'it died', errorAt: NOW - 60_000 },
      {
        waiting: [message({ attempt: 3, toldAt: NOW - 1 }), message({ id: 'm2' })],
        told: { code: 'E_RESTARTS', reason: 'too often\nmore', createdAt: NOW - 30_000 },
        crash: {
          path: '/x.json',
          at: new Date(NOW - 45_000).toISOString(),
          words: 'it ran out of memory',
          times: 4,
        },
      },
    ),
  );
  expect(why.tried).toEqual([
    '2 of 3 attempts',
    '2 times it failed, one after the other',
    'its last error, 60 s ago: E_TURN_CRASHED: it died',
    'a container died 45 s ago: it ran out of memory (4 of them lately)',
    'its people were told 30 s ago: E_RESTARTS: too often',
  ]);
  expect(why.waiting).toMatchObject([
    { id: 'm1', attempt: 3, told: true },
    { id: 'm2', attempt: 1, told: false },
  ]);
  expect(why.crashReport).toBe('/x.json');
});
