import { describe, expect, test } from 'vitest';
import { CHECKS } from '../chaos/check/check.ts';
import type { Evidence, LedgerEvent, Recorded } from '../chaos/check/evidence.ts';

/*
 * A checker that cannot fail proves nothing: each rule is shown a run that keeps it and runs that break it.
 */

const event = (key: number, answers: string[], type: 'message' | 'failure' = 'message') => ({
  ...{ key, event: key, type, answers, text: 'text', code: null, reason: null },
});
const shown = (at: number, key: number, answers: string[], type?: 'message' | 'failure'): Recorded => ({
  ...{ what: 'shown', at, channel: 'keyless', chat: 'a', event: event(key, answers, type) },
});
const offered = (at: number, message: string): Recorded => ({
  ...{ what: 'offered', at, message, channel: 'keyless', chat: 'a', order: at, text: message },
});
const accepted = (at: number, message: string): Recorded => ({
  ...{ what: 'accepted', at, message, id: `${message}'`, session: 's' },
});
const row = (n: number, answers: string[], more: Partial<LedgerEvent> = {}): LedgerEvent => ({
  ...{ n, session: 's', channel: 'keyless', chat: 'a', event: n, type: 'message', status: 'sent' },
  ...{ code: null, answers, ...more },
});

/** Two messages, said, accepted, answered. */
function goodRun(): Evidence {
  return {
    history: [
      ...[offered(1, 'm1'), accepted(2, 'm1'), offered(3, 'm2'), accepted(4, 'm2')],
      { what: 'container', at: 5, action: 'start', id: 'c1', session: 's', epoch: 1 },
      ...[shown(6, 1, ["m1'"]), shown(7, 2, ["m2'"])],
      { what: 'container', at: 8, action: 'die', id: 'c1', session: 's', epoch: 1 },
      { what: 'host', at: 9, action: 'exit', asked: true, failpoint: null, words: 'code 0' },
    ],
    inbox: [
      { id: "m1'", session: 's', seq: 1, status: 'answered', attempt: 1 },
      { id: "m2'", session: 's', seq: 2, status: 'answered', attempt: 1 },
    ],
    outbox: [row(1, ["m1'"]), row(2, ["m2'"])],
    sessions: [{ id: 's', state: 'asleep' }],
    leftInFiles: [],
    containers: [],
  };
}

function rulesBroken(change: (run: Evidence) => Partial<Evidence>): string[] {
  const run = goodRun();
  const evidence = { ...run, ...change(run) };
  const found = Object.values(CHECKS).flatMap((check) => check(evidence));
  return [...new Set(found.map(({ rule }) => rule))];
}

const without = (history: Recorded[], at: number) => history.filter((one) => one.at !== at);

const UNANSWERED = 'a message without a reply or a told failure';
const DOUBLED = 'two replies under one key';
const DISORDER = 'order broken within a session';
const LEFT = 'a container or row left behind';

test('a run in which all is well breaks no rule', () => {
  expect(rulesBroken(() => ({}))).toEqual([]);
});

describe('a message', () => {
  test('that was never accepted', () =>
    expect(rulesBroken(({ history }) => ({ history: without(history, 4) }))).toContain(UNANSWERED));

  test('whose reply nobody has seen', () =>
    expect(rulesBroken(({ history }) => ({ history: without(history, 7) }))).toEqual([UNANSWERED]));

  test('whose reply is uncertain, on a channel that takes no key: that is all that can be known', () =>
    expect(
      rulesBroken(({ history, outbox }) => ({
        history: without(history, 7),
        outbox: [...outbox.slice(0, 1), row(2, ["m2'"], { status: 'uncertain' })],
      })),
    ).toEqual([]));

  test('whose reply is uncertain although the channel takes keys', () =>
    expect(
      rulesBroken(({ history, outbox }) => ({
        history: without(history, 7),
        outbox: [...outbox.slice(0, 1), row(2, ["m2'"], { status: 'uncertain', channel: 'keyed' })],
      })),
    ).toEqual([UNANSWERED]));

  test('of which a failure was told', () =>
    expect(
      rulesBroken(({ history }) => ({ history: [...without(history, 7), shown(7, 2, ["m2'"], 'failure')] })),
    ).toEqual([]));

  test('that waits still', () =>
    expect(
      rulesBroken(({ inbox }) => ({ inbox: inbox.map((one) => ({ ...one, status: 'waiting' })) })),
    ).toEqual([UNANSWERED, LEFT]));
});

describe('a reply', () => {
  test('that appears twice', () =>
    expect(rulesBroken(({ history }) => ({ history: [...history, shown(10, 2, ["m2'"])] }))).toContain(
      DOUBLED,
    ));

  test('that appears twice because the operator had it sent again', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [...history, { what: 'resent', at: 9, keys: [2] }, shown(10, 2, ["m2'"])],
      })),
    ).toEqual([]));

  test('beside another one to the same message', () =>
    expect(rulesBroken(({ outbox }) => ({ outbox: [...outbox, row(3, ["m2'"])] }))).toEqual([DOUBLED]));

  test('that comes before the one to an earlier message', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [
          ...history.filter(({ what }) => what !== 'shown'),
          shown(6, 1, ["m2'"]),
          shown(7, 2, ["m1'"]),
        ],
      })),
    ).toContain(DISORDER));

  test('with an earlier number than the one before', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [
          ...history.filter(({ what }) => what !== 'shown'),
          shown(6, 2, ["m1'"]),
          shown(7, 1, ["m2'"]),
        ],
      })),
    ).toContain(DISORDER));
});

test('messages that were accepted in another order than they were said', () => {
  expect(
    rulesBroken(({ inbox }) => ({ inbox: inbox.map((one) => ({ ...one, seq: 3 - one.seq })) })),
  ).toContain(DISORDER);
});

test('two containers of a session at once', () => {
  const second: Recorded = { what: 'container', at: 6, action: 'start', id: 'c2', session: 's', epoch: 2 };
  expect(
    rulesBroken(({ history }) => ({ history: [...history.slice(0, 5), second, ...history.slice(5)] })),
  ).toEqual(['two containers of one session alive at once']);
});

test.each<[string, Partial<Evidence>]>([
  ['a container', { containers: ['/berth-x'] }],
  ['a session that is awake', { sessions: [{ id: 's', state: 'awake' }] }],
  ['an event that is being sent', { outbox: [...goodRun().outbox, row(3, [], { status: 'sending' })] }],
  ['a row in a file', { leftInFiles: [{ session: 's', words: "m2' still stands in inbound.db" }] }],
])('%s that is left behind', (_, left) => {
  expect(rulesBroken(() => left)).toEqual([LEFT]);
});

describe('a final failure', () => {
  const failed: Recorded = { what: 'failed', at: 100, id: "m2'" };
  const failing = (toldAt: number) =>
    rulesBroken(({ history }) => ({
      history: [...without(history, 7), failed, shown(toldAt, 2, ["m2'"], 'failure')],
    }));

  test('that is told within ten seconds', () => expect(failing(10_050)).toEqual([]));
  test('that is told later', () =>
    expect(failing(10_150)).toEqual(['more than 10 s until a final failure was told']));
});

describe('a host that ends by itself', () => {
  const end: Recorded = {
    what: 'host',
    at: 50_000,
    action: 'exit',
    asked: false,
    failpoint: null,
    words: 'code 1',
  };
  test('although it had all that it needs', () =>
    expect(rulesBroken(({ history }) => ({ history: [...history, end] }))).toEqual([
      'the host ended by itself',
    ]));

  test('because it had no engine', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [...history, { what: 'engine', at: 49_000, action: 'down' }, end],
      })),
    ).toEqual([]));

  test('at a failpoint', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [...history, { ...end, failpoint: 'before-commit-accept' }],
      })),
    ).toEqual([]));
});

test('a send that breaks a rule of the platform', () => {
  expect(
    rulesBroken(({ history }) => ({
      history: [...history, { what: 'offence', at: 9, words: 'r1 is sent twice' }],
    })),
  ).toEqual(['a rule of the platform broken']);
});
