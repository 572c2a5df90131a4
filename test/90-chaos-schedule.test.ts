import { describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../chaos/failpoints.ts';
import { FAULT_KINDS } from '../chaos/fault-kinds.ts';
import { type PlannedFault, planRun } from '../chaos/schedule.ts';
import { counted } from '../chaos/tally.ts';

function faultsOf(wanted: Parameters<typeof planRun>[0]): PlannedFault[] {
  return planRun(wanted).filter((step) => step.step === 'fault');
}

describe('the schedule of a chaos run', () => {
  test('is the same for the same seed, and another for another', () => {
    const wanted = { messages: 300, faults: 60, seed: 4 };
    expect(planRun(wanted)).toEqual(planRun(wanted));
    expect(planRun(wanted)).not.toEqual(planRun({ ...wanted, seed: 5 }));
  });

  test('has as many messages and faults as were wished for, the faults among the messages', () => {
    const steps = planRun({ messages: 300, faults: 60, seed: 1 });
    expect(steps.filter(({ step }) => step === 'message')).toHaveLength(300);
    expect(steps.filter(({ step }) => step === 'fault')).toHaveLength(60);
    expect(steps.slice(0, 100).filter(({ step }) => step === 'fault').length).toBeGreaterThan(10);
  });

  test('has every kind of fault, in the CI run too, and each by its share in a long one', () => {
    const short = new Set(faultsOf({ messages: 300, faults: 60, seed: 4 }).map(({ kind }) => kind));
    expect([...short].sort()).toEqual(Object.keys(FAULT_KINDS).sort());
    const long = faultsOf({ messages: 10_000, faults: 1000, seed: 4 });
    for (const [kind, share] of Object.entries(FAULT_KINDS)) {
      const count = long.filter((fault) => fault.kind === kind).length;
      expect(count, kind).toBeGreaterThanOrEqual(share * 9);
      expect(count, kind).toBeLessThanOrEqual(share * 11 + 2);
    }
  });

  test('aims at every failpoint equally often', () => {
    const long = faultsOf({ messages: 10_000, faults: 1000, seed: 4 });
    const counts = new Map([...FAILPOINTS.keys()].map((name) => [name, 0]));
    for (const { failpoint } of long) if (failpoint) counts.set(failpoint, (counts.get(failpoint) ?? 0) + 1);
    const all = [...counts.values()];
    expect(Math.min(...all)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
  });
});

describe('a run waits for answers', () => {
  const event = { key: 1, event: 1, type: 'failure' as const, answers: ['id'], text: '', reason: null };
  const said = (code: string) => {
    const { history, tally } = counted({ file: '', record: () => undefined });
    const offer = { channel: 'keyless', chat: 'a', order: 1, text: 'm1 w0' };
    history.record({ what: 'offered', message: 'm1', ...offer });
    history.record({ what: 'accepted', message: 'm1', id: 'id', session: 's' });
    history.record({ what: 'shown', channel: 'keyless', chat: 'a', event: { ...event, code } });
    return { history, tally };
  };

  test('that are still to come: not for a reply that nobody can know of, or that was given up', () => {
    expect(said('E_WAKE').tally.unanswered()).toBe(1);
    expect(said('E_SEND_UNCERTAIN').tally.unanswered()).toBe(0);
    expect(said('E_SEND_FAILED').tally.unanswered()).toBe(0);
  });

  test('not for those of a chat that was deleted', () => {
    const { history, tally } = said('E_WAKE');
    history.record({ what: 'deleted', chat: 'a' });
    expect(tally.unanswered()).toBe(0);
  });
});
