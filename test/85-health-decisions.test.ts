import { describe, expect, test } from 'vitest';
import {
  afterDoing,
  type Health,
  judge,
  observe,
  type Seen,
  type Verdict,
} from '../src/recovery/judge-health.ts';

const periods = {
  heartbeatMs: 30_000,
  silenceMs: 300_000,
  nudgeMs: 120_000,
  abortMs: 10_000,
  turnGraceMs: 30_000,
};
const TURN_MS = 30 * 60_000;
const quiet: Seen = { beat: 'b', activity: 1, quietMs: 0, claimed: ['1 m1'], unclaimed: false };

/**
 * Looks every 5 s at what `seenAt` shows at that second; the heartbeat beats unless it says otherwise.
 * @returns what was done, with the second, until a restart or the end.
 */
function watch(seconds: number, seenAt: (second: number) => Partial<Seen>, turnMs = TURN_MS): string[] {
  let health: Health | undefined;
  const done: string[] = [];
  for (let second = 0; second <= seconds; second += 5) {
    const seen = { ...quiet, beat: String(second), ...seenAt(second) };
    health = observe(health, seen, 5000);
    const verdict: Verdict = judge(health, periods, turnMs);
    health = afterDoing(health, verdict);
    if (verdict.do !== 'nothing')
      done.push(
        `${second} ${verdict.do}${verdict.do === 'restart' ? ` ${verdict.cause}` : ''} ${verdict.messages}`.trim(),
      );
    if (verdict.do === 'restart') break;
  }
  return done;
}

describe('the heartbeat', () => {
  test('one that stops for 30 s: restart', () => {
    expect(watch(600, (second) => ({ claimed: [], beat: String(Math.min(second, 60)) }))).toEqual([
      '90 restart heartbeat',
    ]);
  });
  test('one that never began: restart after 30 s', () => {
    expect(watch(600, () => ({ claimed: [], beat: null }))).toEqual(['30 restart heartbeat']);
  });
  test('one that comes every 25 s is alive', () => {
    expect(watch(3600, (second) => ({ claimed: [], beat: String(Math.floor(second / 25)) }))).toEqual([]);
  });
});

describe('a turn', () => {
  test('silent: nudged after 5 min, aborted 2 min later, restarted 10 s after that', () => {
    expect(watch(3600, () => ({}))).toEqual(['300 nudge 1 m1', '420 abort 1 m1', '430 restart silence 1 m1']);
  });

  test('a sign of life after the nudge begins anew', () => {
    expect(watch(1000, (second) => ({ activity: second < 400 ? 1 : 2 }))).toEqual([
      '300 nudge 1 m1',
      '700 nudge 1 m1',
      '820 abort 1 m1',
      '830 restart silence 1 m1',
    ]);
  });

  test('a sign of life every 4 min: nothing, until the limit and its grace', () => {
    const limit = (TURN_MS + periods.turnGraceMs) / 1000;
    expect(watch(4000, (second) => ({ activity: Math.floor(second / 240) }))).toEqual([
      `${limit} restart limit 1 m1`,
    ]);
  });

  test('silence that a tool announces is normal, and 5 min more', () => {
    expect(watch(1000, () => ({ quietMs: 600_000 }))).toEqual(['900 nudge 1 m1']);
  });

  test('a tool that announces more than the limit is bounded by it', () => {
    expect(watch(4000, () => ({ quietMs: 9e12 }), 600_000)).toEqual(['630 restart limit 1 m1']);
  });

  test('another turn begins with nothing against it', () => {
    expect(watch(595, (second) => ({ claimed: [second < 295 ? '1 m1' : '1 m2'] }))).toEqual([
      '595 nudge 1 m2',
    ]);
  });

  test('a retry is another turn', () => {
    expect(watch(595, (second) => ({ claimed: [second < 295 ? '1 m1' : '2 m1'] }))).toEqual([
      '595 nudge 2 m1',
    ]);
  });

  test('messages that join later are not its fault', () => {
    const claimed = (second: number) => (second < 100 ? ['1 m1', '1 m2'] : ['1 m1', '1 m2', '1 m3']);
    expect(watch(3600, (second) => ({ claimed: claimed(second) }))).toEqual([
      '300 nudge 1 m1,1 m2',
      '420 abort 1 m1,1 m2',
      '430 restart silence 1 m1,1 m2',
    ]);
  });

  test('an abort that is obeyed leaves nothing to do', () => {
    expect(watch(900, (second) => ({ claimed: second < 425 ? ['1 m1'] : [] }))).toEqual([
      '300 nudge 1 m1',
      '420 abort 1 m1',
    ]);
  });

  test('signs of life after the abort do not save a turn that does not end', () => {
    expect(watch(900, (second) => ({ activity: second < 425 ? 1 : second }))).toEqual([
      '300 nudge 1 m1',
      '420 abort 1 m1',
      '430 restart silence 1 m1',
    ]);
  });
});

test('a runner that takes nothing up for 5 min: restart; one that has nothing to take up: never', () => {
  expect(watch(3600, () => ({ claimed: [], unclaimed: true }))).toEqual(['300 restart idle']);
  expect(watch(3600, () => ({ claimed: [] }))).toEqual([]);
  // Now and then something waits for a moment.
  expect(watch(3600, (second) => ({ claimed: [], unclaimed: second % 100 < 50 }))).toEqual([]);
});

test('the first look has nothing against anybody, however old what it sees', () => {
  const health = observe(undefined, quiet, 9e9);
  expect(judge(health, periods, 1)).toEqual({ do: 'nothing' });
});
