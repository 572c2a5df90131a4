import { describe, expect, test } from 'vitest';
import {
  asSendError,
  SEND_ERROR_CLASSES,
  SendError,
  type SendErrorClass,
} from '../src/channels/send-error.ts';
import { afterInterruption, LEAST_TRIES, nextState } from '../src/delivery/next-state.ts';
import { retryDelay } from '../src/delivery/retry-delay.ts';

const DAY = 24 * 60 * 60 * 1000;
const half = () => 0.5;

function next(failure: SendErrorClass | { class: SendErrorClass; retryAfterMs?: number }, more: object = {}) {
  const standing = { attempt: 1, ageMs: 0, takesKey: true, retryMs: 1000, giveUpMs: DAY, ...more };
  return nextState(typeof failure === 'string' ? { class: failure } : failure, standing, half);
}

const OLD = { attempt: LEAST_TRIES, ageMs: DAY };
const limited = (retryAfterMs: number) => ({ class: 'rate-limited' as const, retryAfterMs });

test.each([
  // what happened, of which standing, what follows with a key, and without one
  ['transient', {}, { to: 'retry', inMs: 1000 }, { to: 'retry', inMs: 1000 }],
  ['transient', { attempt: 5 }, { to: 'retry', inMs: 16_000 }, { to: 'retry', inMs: 16_000 }],
  [
    'transient',
    { attempt: 90, ageMs: DAY - 1 },
    { to: 'retry', inMs: 300_000 },
    { to: 'retry', inMs: 300_000 },
  ],
  ['transient', { attempt: 1, ageMs: 9 * DAY }, { to: 'retry', inMs: 1000 }, { to: 'retry', inMs: 1000 }],
  ['transient', OLD, { to: 'dead' }, { to: 'dead' }],
  ['permanent', {}, { to: 'dead' }, { to: 'dead' }],
  ['permanent', OLD, { to: 'dead' }, { to: 'dead' }],
  ['unknown-outcome', {}, { to: 'retry', inMs: 1000 }, { to: 'uncertain' }],
  ['unknown-outcome', OLD, { to: 'uncertain' }, { to: 'uncertain' }],
  [limited(90_000.2), {}, { to: 'retry', inMs: 90_001 }, { to: 'retry', inMs: 90_001 }],
  [limited(5), { attempt: 50 }, { to: 'retry', inMs: 5 }, { to: 'retry', inMs: 5 }],
  [limited(DAY + 1), {}, { to: 'dead' }, { to: 'dead' }],
  [limited(5), OLD, { to: 'dead' }, { to: 'dead' }],
  [limited(0), { attempt: 2 }, { to: 'retry', inMs: 2000 }, { to: 'retry', inMs: 2000 }],
  [limited(-1), {}, { to: 'retry', inMs: 1000 }, { to: 'retry', inMs: 1000 }],
  [limited(Number.NaN), {}, { to: 'retry', inMs: 1000 }, { to: 'retry', inMs: 1000 }],
  ['rate-limited', { attempt: 3 }, { to: 'retry', inMs: 4000 }, { to: 'retry', inMs: 4000 }],
] as const)('%j, %j', (failure, standing, withKey, withoutKey) => {
  expect(next(failure, { ...standing, takesKey: true })).toEqual(withKey);
  expect(next(failure, { ...standing, takesKey: false })).toEqual(withoutKey);
});

test('whatever happens: without a key an unknown outcome is never tried again, and everything ends', () => {
  for (const errorClass of SEND_ERROR_CLASSES) {
    for (const takesKey of [true, false]) {
      let ageMs = 0;
      let tries = 0;
      for (let attempt = 1; ; attempt++) {
        const state = next(errorClass, { attempt, ageMs, takesKey });
        if (state.to !== 'retry') break;
        expect(errorClass === 'unknown-outcome' && !takesKey).toBe(false);
        tries += 1;
        ageMs += state.inMs;
      }
      expect(ageMs).toBeLessThan(DAY + 300_001);
      expect(tries).toBeLessThan(310);
    }
  }
});

test('the pauses double from a second to five minutes, with a quarter of jitter to both sides', () => {
  expect([1, 2, 3, 9, 10, 1000].map((attempt) => retryDelay(attempt, 1000, half))).toEqual([
    1000, 2000, 4000, 256_000, 300_000, 300_000,
  ]);
  expect([retryDelay(1, 1000, () => 0), retryDelay(1, 1000, () => 0.999_999)]).toEqual([750, 1250]);
});

test('what a dead host had begun is sent again under its key, or not at all', () => {
  expect([afterInterruption(true), afterInterruption(false)]).toEqual(['pending', 'uncertain']);
});

describe('errors of channels', () => {
  test('what the channel classed stays as it is', () => {
    const error = new SendError('rate-limited', 'slowly', { retryAfterMs: 3 });
    expect(asSendError(error, 'chat')).toBe(error);
    expect(error).toMatchObject({ class: 'rate-limited', message: 'slowly', retryAfterMs: 3 });
  });

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])(
    '%s: nothing can have left, also inside what fetch throws',
    (code) => {
      for (const error of [{ code }, new TypeError('fetch failed', { cause: { code } })])
        expect(asSendError(error, 'chat')).toMatchObject({
          class: 'transient',
          message: `"chat" cannot be reached (${code})`,
        });
    },
  );

  test.each([
    [Object.assign(new Error('https://api.example/bot-SECRET/send'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [new TypeError('SECRET is not a function'), 'TypeError'],
    [new DOMException('SECRET', 'AbortError'), 'AbortError'],
    ['SECRET', 'string'],
    [undefined, 'undefined'],
    [null, 'object'],
  ])('anything else has an unknown outcome, and its words stay in the log', (error, what) => {
    const known = asSendError(error, 'chat');
    expect(known).toMatchObject({
      class: 'unknown-outcome',
      message: `sending through "chat" failed (${what})`,
    });
    expect(known.cause).toBe(error === undefined ? undefined : error);
  });
});
