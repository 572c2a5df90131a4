import { describe, expect, test } from 'vitest';
import { claimOutcome, crashRetryAt } from '../src/delivery/claim-outcome.ts';
import type { ContainerExit, FoundContainer } from '../src/engines/engine.ts';
import { BerthError, type ErrorCode } from '../src/errors.ts';
import { classifyExit, classifyStart, countsAsTrouble } from '../src/recovery/classify-death.ts';
import { isLeftAlone } from '../src/recovery/hold-failed.ts';
import { judgeFound } from '../src/recovery/judge-found.ts';
import { afterTrouble, failedPause, type Troubles } from '../src/recovery/restart-limit.ts';

const MINUTE = 60_000;

describe('how a container ended', () => {
  const exit = (change: Partial<ContainerExit>): ContainerExit => ({
    name: 'c',
    epoch: 1,
    code: null,
    oomKilled: false,
    ...change,
  });
  test.each<[Partial<ContainerExit>, string, string]>([
    [{ code: 0 }, 'done', 'it ended by itself (exit code 0)'],
    [{ code: 1 }, 'crash', 'it exited with code 1'],
    [{ code: 139 }, 'crash', 'it crashed (SIGSEGV)'],
    [{ code: 134 }, 'crash', 'it crashed (SIGABRT)'],
    [{ code: null, signal: 'SIGSEGV' }, 'crash', 'it crashed (SIGSEGV)'],
    [{ code: 200 }, 'crash', 'it exited with code 200'],
    [{ code: 137, oomKilled: true }, 'oom', 'it ran out of memory (limits.memory)'],
    [{ code: 1, oomKilled: true, engineAway: true }, 'oom', 'it ran out of memory (limits.memory)'],
    [{ code: 137 }, 'killed', 'something killed it (SIGKILL)'],
    [{ code: 143 }, 'killed', 'something killed it (SIGTERM)'],
    [{ code: null, signal: 'SIGKILL' }, 'killed', 'something killed it (SIGKILL)'],
    [{ code: null }, 'killed', 'somebody removed it'],
    [{ code: 78 }, 'setup', 'its runner says that it cannot work there (exit code 78)'],
    [{ code: 126 }, 'setup', 'its program cannot be run (exit code 126)'],
    [{ code: 127 }, 'setup', 'its program was not found in the image (exit code 127)'],
    [{ code: 137, engineAway: true }, 'engine', 'it ended while the container engine was away'],
    [{ code: null, engineAway: true }, 'engine', 'it ended while the container engine was away'],
  ])('%j is %s', (change, kind, words) => {
    const death = classifyExit(exit(change));
    expect(death).toMatchObject({ class: kind, words, exitCode: change.code ?? null });
    expect(countsAsTrouble(death)).toBe(kind !== 'engine');
  });

  test.each<[ErrorCode, string]>([
    ['E_IMAGE_MISSING', 'setup'],
    ['E_IMAGE_BASE', 'setup'],
    ['E_ENGINE_REFUSED', 'setup'],
    ['E_ENGINE_UNREACHABLE', 'engine'],
    ['E_WAKE_TIMEOUT', 'hung'],
    ['E_WAKE', 'crash'],
  ])('a start that fails with %s is %s', (code, kind) => {
    expect(classifyStart(new BerthError(code, 'why'))).toMatchObject({ class: kind, words: 'why' });
  });
});

describe('restarts', () => {
  const limits = { most: 3, windowMs: 30 * MINUTE };
  const none: Troubles = { times: [], failures: 0, quietSince: null };

  /** Troubles at these minutes. @returns whether each of them may be followed by a restart. */
  function at(...minutes: number[]): boolean[] {
    let troubles = none;
    return minutes.map((minute) => {
      const after = afterTrouble(troubles, minute * MINUTE, limits);
      troubles = after.troubles;
      return after.restart;
    });
  }

  test.each<[number[], boolean[]]>([
    [[0], [true]],
    [
      [0, 1, 2, 3],
      [true, true, true, false],
    ],
    [
      [0, 10, 20, 29.9],
      [true, true, true, false],
    ],
    // The first has left the window.
    [
      [0, 10, 20, 30],
      [true, true, true, true],
    ],
    // Half an hour without trouble forgets all.
    [
      [0, 1, 2, 32, 33, 34, 35],
      [true, true, true, true, true, true, false],
    ],
  ])('troubles at minutes %j: %j', (minutes, restarts) => expect(at(...minutes)).toEqual(restarts));

  test('a quiet while forgets the times and the failures, a pause after a failure does not', () => {
    const before = { times: [0, 1, 2, 3], failures: 4, quietSince: 3 };
    expect(afterTrouble(before, 31 * MINUTE, limits).troubles).toEqual({
      times: [31 * MINUTE],
      failures: 0,
      quietSince: 31 * MINUTE,
    });
    // It had failed and was tried again 1 minute ago: that is when the quiet began.
    const retried = { ...before, quietSince: 30 * MINUTE };
    expect(afterTrouble(retried, 31 * MINUTE, limits).troubles.failures).toBe(4);
  });

  test('a clock that was put back makes old troubles new and never future ones', () => {
    const { troubles, restart } = afterTrouble({ ...none, times: [50, 60, 70], quietSince: 70 }, 10, limits);
    expect(troubles.times).toEqual([10, 10, 10, 10]);
    expect(restart).toBe(false);
  });

  test('with 0 restarts the first trouble is one too many', () => {
    expect(afterTrouble(none, 5, { ...limits, most: 0 }).restart).toBe(false);
  });

  test('the pauses double up to the longest, and never overflow', () => {
    const pauses = { pauseMs: 30_000, longestPauseMs: 30 * MINUTE };
    expect([0, 1, 2, 5, 6, 7, 2000].map((failures) => failedPause(failures, pauses) / 1000)).toEqual([
      30, 60, 120, 960, 1800, 1800, 1800,
    ]);
  });

  test.each([
    [{ state: 'failed', errorCode: 'E_RESTARTS', retryAt: 11 }, true],
    [{ state: 'failed', errorCode: 'E_RESTARTS', retryAt: 10 }, false],
    [{ state: 'failed', errorCode: 'E_RESTARTS', retryAt: null }, false],
    [{ state: 'failed', errorCode: 'E_IMAGE_MISSING', retryAt: 11 }, false],
    [{ state: 'asleep', errorCode: 'E_RESTARTS', retryAt: 11 }, false],
  ] as const)('%j is left alone at 10: %j', (row, alone) => expect(isLeftAlone(row, 10)).toBe(alone));
});

describe('turns that failed', () => {
  const periods = { pauseMs: 1000, rateLimitMs: 60_000 };
  const claim = (change: object) =>
    ({
      message: 'm',
      attempt: 1,
      status: 'failed',
      error: 'why',
      errorClass: null,
      retryAt: null,
      ...change,
    }) as never;
  test.each<[object, unknown]>([
    [{ status: 'processing' }, undefined],
    [{ status: 'done' }, { done: true }],
    [{ errorClass: 'transient' }, { retryAt: 6000 }],
    [{ errorClass: 'transient', attempt: 2 }, { retryAt: 10_000 }],
    [
      { errorClass: 'transient', attempt: 3 },
      { code: 'E_TURN_RETRIES', reason: 'why' },
    ],
    [{ errorClass: 'continuation' }, { retryAt: 6000 }],
    [{ errorClass: 'rate_limit' }, { retryAt: 65_000 }],
    [{ errorClass: 'rate_limit', retryAt: 9000 }, { retryAt: 9000 }],
    [{ errorClass: 'rate_limit', retryAt: 1 }, { retryAt: 5000 }],
    [{ errorClass: 'rate_limit', retryAt: 9e15 }, { retryAt: 3_605_000 }],
    [
      { errorClass: 'rate_limit', attempt: 3 },
      { code: 'E_TURN_RETRIES', reason: 'why' },
    ],
    [{ errorClass: 'permanent' }, { code: 'E_TURN_FAILED', reason: 'why' }],
    [{ errorClass: 'credentials' }, { code: 'E_TURN_FAILED', reason: 'why' }],
    [{ errorClass: 'context' }, { code: 'E_TURN_FAILED', reason: 'why' }],
    [
      { errorClass: null, error: null },
      { code: 'E_TURN_FAILED', reason: 'the agent gave no reason' },
    ],
    [{ errorClass: 'aborted' }, { code: 'E_TURN_ABORTED', reason: 'why' }],
  ])('%j: %j', (change, outcome) => expect(claimOutcome(claim(change), 5000, periods)).toEqual(outcome));

  test('a container that dies: at once, after a while, never', () => {
    expect([1, 2, 3, 4].map((attempt) => crashRetryAt(attempt, 5000, periods))).toEqual([
      5000,
      9000,
      null,
      null,
    ]);
  });
});

describe('what becomes of a container that an earlier host left', () => {
  const labels = { install: 'i', group: 'g', session: 's', epoch: 3, spec: 'abc' };
  const found = (change: object = {}): FoundContainer =>
    ({
      name: 'c',
      labels,
      running: true,
      paused: false,
      imageId: 'sha256:1',
      contract: '1',
      ...change,
    }) as never;
  const row = { state: 'awake', epoch: 3, group: 'g' } as const;
  const wanted = { spec: 'abc', imageId: '1' };

  test.each([
    ['all is as it should be', found(), row, wanted, 'adopt'],
    ['it has ended: its end is told soon', found({ running: false }), row, wanted, 'adopt'],
    ['it was frozen', found({ paused: true }), { ...row, state: 'frozen' }, wanted, 'adopt'],
    ['the engine has no images', found({ imageId: undefined, contract: undefined }), row, wanted, 'adopt'],
    ['its image is gone', found(), row, { ...wanted, imageId: undefined }, 'adopt'],
    ['the spec is another', found(), row, { ...wanted, spec: 'xyz' }, 'retire'],
    ['the image is another', found(), row, { ...wanted, imageId: 'sha256:2' }, 'retire'],
    ['the contract is another', found({ contract: '0' }), row, wanted, 'retire'],
    ['nothing can be started for it', found(), row, undefined, 'retire'],
    ['it was being stopped', found(), { ...row, state: 'stopping' }, wanted, 'stop'],
    ['nobody knows its session', found(), undefined, undefined, 'stray'],
    ['the session has a later epoch', found(), { ...row, epoch: 4 }, wanted, 'stray'],
    ['the session has an earlier epoch', found(), { ...row, epoch: 2 }, wanted, 'stray'],
    ['its session is of another group', found(), { ...row, group: 'h' }, wanted, 'stray'],
    ['the session sleeps', found(), { ...row, state: 'asleep' }, wanted, 'stray'],
    ['the session has failed', found(), { ...row, state: 'failed' }, wanted, 'stray'],
  ] as const)('%s', (_what, container, session, now, fate) => {
    expect(judgeFound(container, session, now)).toBe(fate);
  });
});
