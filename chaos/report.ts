import { writeFileSync } from 'node:fs';
import type { Violation } from './check/evidence.ts';
import { all, type Evidence } from './check/evidence.ts';
import { FAILPOINTS, NOT_AIMED_AT } from './failpoints.ts';
import { FAULT_KINDS } from './fault-kinds.ts';
import type { Wanted } from './schedule.ts';

export interface Result {
  wanted: Wanted;
  seconds: number;
  evidence: Evidence;
  /** By the name of the check. */
  violations: Map<string, Violation[]>;
  kills: ReadonlyMap<string, number>;
}

/** What was done, in a table, and what came of it; the same text goes to docs/reliability.md. */
export function describeRun({ wanted, seconds, evidence, violations, kills }: Result): string {
  const { history } = evidence;
  const faults = all(history, 'fault');
  const rows = Object.keys(FAULT_KINDS).map((kind) => {
    const planned = faults.filter((fault) => fault.kind === kind);
    // A failpoint may be passed long after it was armed.
    const done =
      kind === 'host killed at a failpoint'
        ? [...kills.values()].reduce((sum, hits) => sum + hits, 0)
        : planned.filter((fault) => fault.done).length;
    return `| ${kind} | ${planned.length} | ${done} |`;
  });
  const replies = all(history, 'shown').filter(({ event }) => event.type === 'message').length;
  const failures = all(history, 'shown').length - replies;
  const starts = all(history, 'container').filter(({ action }) => action === 'start').length;
  return [
    `${wanted.messages} messages, ${wanted.faults} faults, seed ${wanted.seed}: ${Math.round(seconds)} s`,
    '',
    `${all(history, 'offered').length} messages were said, ${replies} replies and ${failures} told failures were read; ` +
      `${all(history, 'host').filter(({ action }) => action === 'ready').length} lives of the host, ${starts} of containers.`,
    '',
    '| fault | planned | done |',
    '|---|---|---|',
    ...rows,
    '',
    '| check | violations |',
    '|---|---|',
    ...[...violations].map(([check, found]) => `| ${check} | ${found.length} |`),
    '',
    '| failpoint | hits before | hits after |',
    '|---|---|---|',
    ...failpointRows(kills),
    '',
    ...[...Map.groupBy(NOT_AIMED_AT, ([, why]) => why)].map(
      ([why, those]) => `Not aimed at, ${why}: ${those.map(([name]) => name).join(', ')}.`,
    ),
  ].join('\n');
}

function failpointRows(kills: ReadonlyMap<string, number>): string[] {
  const names = [...FAILPOINTS.keys()].filter((name) => name.startsWith('before-'));
  return names.map((before) => {
    const after = before.replace(/^before/, 'after');
    const name = before.slice('before-'.length).replaceAll('-', ' ');
    return `| ${name} | ${kills.get(before) ?? 0} | ${kills.get(after) ?? 0} |`;
  });
}

/** Failpoints at which no host was killed. */
export function withoutHit(kills: ReadonlyMap<string, number>): string[] {
  return [...FAILPOINTS.keys()].filter((name) => !kills.has(name));
}

/** For CI, which adds up what was counted. */
export function writeCounts(passed: number, failed: number): void {
  const file = process.env.BERTH_TEST_REPORT;
  if (file) writeFileSync(file, JSON.stringify({ passed, failed, skipped: 0 }));
}
