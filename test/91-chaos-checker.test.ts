import { describe, expect, test } from 'vitest';
import { CHECKS } from '../chaos/check/check.ts';
import type { Evidence, LedgerEvent, LedgerMessage, Recorded } from '../chaos/check/evidence.ts';

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
  ...{ code: null, answers, createdAt: 1000 + n, ...more },
});
/** A failure that was told when the ledger's clock said so. */
const failure = (n: number, answers: string[], createdAt: number, more: Partial<LedgerEvent> = {}) =>
  row(n, answers, { type: 'failure', code: 'E_WAKE', createdAt, ...more });
const message = (id: string, seq: number, more: Partial<LedgerMessage> = {}): LedgerMessage => ({
  ...{ id, session: 's', seq, status: 'answered', attempt: 1, toldAt: null, endedAt: 1000 + seq, ...more },
});

/** Two messages, said, accepted, answered. */
function goodRun(): Evidence {
  return {
    history: [
      { what: 'host', at: 0, action: 'ready' },
      ...[offered(1, 'm1'), accepted(2, 'm1'), offered(3, 'm2'), accepted(4, 'm2')],
      { what: 'container', at: 5, action: 'start', id: 'c1', session: 's', epoch: 1 },
      ...[shown(6, 1, ["m1'"]), shown(7, 2, ["m2'"])],
      { what: 'container', at: 8, action: 'die', id: 'c1', session: 's', epoch: 1 },
      { what: 'host', at: 100_000, action: 'exit', asked: true, failpoint: null, words: 'code 0' },
    ],
    inbox: [message("m1'", 1), message("m2'", 2)],
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

  /** The second message comes to that; `seen` are the keys of failures and replies that could be read. */
  const ending = (second: Partial<LedgerMessage>, about: LedgerEvent[], seen: number[]) =>
    rulesBroken(({ history, inbox, outbox }) => ({
      history: [
        ...without(history, 7),
        ...about
          .filter(({ n }) => seen.includes(n))
          .map(({ n, answers, type }) => shown(n + 5, n, answers, type)),
      ],
      inbox: [...inbox.slice(0, 1), message("m2'", 2, second)],
      outbox: [...outbox.slice(0, 1), ...about],
    }));
  const failed = { status: 'failed', endedAt: 2000 };
  const passing = failure(2, ["m2'"], 1500);
  const final = failure(3, ["m2'"], 2000);

  test('that failed and was told so', () => expect(ending(failed, [final], [3])).toEqual([]));

  test('that failed, and only an earlier failure was told', () =>
    expect(ending({ ...failed, toldAt: 1500 }, [passing, final], [2])).toEqual([UNANSWERED]));

  test('that failed, and the word of it is uncertain on a channel that takes no key', () =>
    expect(ending(failed, [{ ...final, status: 'uncertain' }], [])).toEqual([]));

  test('that was told of a failure that passed, and answered later', () =>
    expect(ending({ toldAt: 1500 }, [passing, row(3, ["m2'"])], [2, 3])).toEqual([]));

  test('that was told of a failure that passed, and whose reply was lost', () =>
    expect(ending({ toldAt: 1500 }, [passing, row(3, ["m2'"])], [2])).toEqual([UNANSWERED]));

  test('that counts as told although no failure was made', () =>
    expect(ending({ toldAt: 1600 }, [passing, row(3, ["m2'"])], [2, 3])).toEqual([UNANSWERED]));

  test('whose reply its platform did not want, and that was said', () => {
    const refused = [row(2, ["m2'"], { status: 'dead' }), failure(3, ["m2'"], 1, { code: 'E_SEND_FAILED' })];
    expect(ending({}, refused, [3])).toEqual([]);
    expect(ending({}, refused, [])).toEqual([UNANSWERED]);
  });

  test('that is not in the ledger', () =>
    expect(rulesBroken(({ inbox }) => ({ inbox: inbox.slice(0, 1) }))).toContain(UNANSWERED));

  test('that was told to be over, and is answered afterwards', () => {
    expect(ending(failed, [final, row(4, ["m2'"])], [3, 4])).toEqual([DOUBLED]);
    expect(ending(failed, [passing, row(4, ["m2'"]), failure(5, ["m2'"], 2000)], [2, 4, 5])).toEqual([]);
  });

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

describe('who waits for the word of a failure', () => {
  const LATE = 'more than 10 s until a failure was told';
  const restart = (from: number, to: number): Recorded[] => [
    { what: 'host', at: from, action: 'exit', asked: true, failpoint: null, words: '' },
    { what: 'host', at: to, action: 'ready' },
  ];
  const ended = (toldAt: number, ...more: Recorded[]) =>
    rulesBroken(({ history, inbox, outbox }) => ({
      history: [
        ...without(history, 7),
        // Told before that something else did not work: that was another word.
        shown(50, 2, ["m2'"], 'failure'),
        { what: 'failed', at: 100, id: "m2'" },
        ...more,
        shown(toldAt, 3, ["m2'"], 'failure'),
      ],
      inbox: [...inbox.slice(0, 1), message("m2'", 2, { status: 'failed', toldAt: 1500, endedAt: 2000 })],
      outbox: [...outbox.slice(0, 1), failure(2, ["m2'"], 1500), failure(3, ["m2'"], 2000)],
    }));

  test('that is final, and told within ten seconds', () => expect(ended(10_050)).toEqual([]));
  test('that is final, and told later', () => expect(ended(10_150)).toEqual([LATE]));
  test('that is final, and told before it was noticed', () => expect(ended(90)).toEqual([]));
  test('while no host ran: that does not count', () => {
    expect(ended(20_000, ...restart(200, 11_000))).toEqual([]);
    expect(ended(22_000, ...restart(200, 11_000))).toEqual([LATE]);
  });

  const stuck = (toldAt: number, answeredAt: number) =>
    rulesBroken(({ history, inbox, outbox }) => ({
      history: [
        ...without(history, 7),
        { what: 'stuck', at: 100, id: "m2'" },
        shown(toldAt, 2, ["m2'"], 'failure'),
        shown(answeredAt, 3, ["m2'"]),
      ],
      inbox: [...inbox.slice(0, 1), message("m2'", 2, { toldAt: 1500 })],
      outbox: [...outbox.slice(0, 1), failure(2, ["m2'"], 1500), row(3, ["m2'"])],
    }));

  test('in a session that does not work: told soon, answered late', () =>
    expect(stuck(5000, 60_000)).toEqual([]));
  test('in a session that does not work: told before, and not with each try', () =>
    expect(stuck(50, 60_000)).toEqual([]));
  test('in a session that does not work: told late', () => expect(stuck(11_000, 60_000)).toEqual([LATE]));

  const dead = (toldAt?: number) =>
    rulesBroken(({ history, outbox }) => ({
      history: [
        ...without(history, 7),
        { what: 'dead', at: 100, n: 2 },
        ...(toldAt === undefined ? [] : [shown(toldAt, 3, ["m2'"], 'failure')]),
      ],
      outbox: [
        ...outbox.slice(0, 1),
        row(2, ["m2'"], { status: 'dead' }),
        failure(3, ["m2'"], 3, { code: 'E_SEND_FAILED' }),
      ],
    }));

  test('of a reply that its platform does not want', () => {
    expect(dead(5000)).toEqual([]);
    expect(dead(11_000)).toEqual([LATE]);
    expect(dead()).toEqual([UNANSWERED, LATE]);
  });

  test('in a chat that was deleted: nobody waits there', () =>
    expect(
      rulesBroken(({ history }) => ({
        history: [
          ...history,
          { what: 'deleted', at: 50, chat: 'a' },
          { what: 'failed', at: 100, id: "m2'" },
          { what: 'dead', at: 100, n: 7 },
        ],
      })),
    ).toEqual([]));
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
