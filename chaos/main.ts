import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CHECKS } from './check/check.ts';
import type { Evidence, Violation } from './check/evidence.ts';
import { readHistory } from './check/evidence.ts';
import { readFiles } from './check/read-files.ts';
import { drive } from './drive.ts';
import { describeRun, type Result, withoutHit, writeCounts } from './report.ts';
import { openRoom, type Room } from './room.ts';
import { planRun, type Wanted } from './schedule.ts';
import { settled } from './settled.ts';

/*
 * `npm run chaos -- --messages N --faults K --seed S`: a real host on real containers, whose surroundings fail in every way that
 * there is a fault for, and a check of what came of it (docs/reliability.md).
 */

/** From so many faults on each failpoint has its turn often enough that one without a hit is a failure. */
const LONG_RUN_FAULTS = 1000;
const SHOWN_VIOLATIONS = 10;

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '300' },
    faults: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    plan: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const wanted = {
  messages: count('messages', values.messages),
  faults: count('faults', values.faults),
  seed: count('seed', values.seed),
};
const steps = planRun(wanted);
if (values.plan) {
  for (const step of steps) console.log(JSON.stringify(step));
  process.exit();
}
if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error('chaos starts an engine of its own and mounts a small disk: it has to run as root, on Linux');
  process.exit(2);
}
console.log(`seed ${wanted.seed}`);
const result = await run(wanted);
const missing = wanted.faults >= LONG_RUN_FAULTS ? withoutHit(result.kills) : [];
console.log(`\n${describeRun(result)}\n`);
if (missing.length > 0) console.log(`failpoints without a hit: ${missing.join(', ')}`);
const failed = [...result.violations.values()].filter((found) => found.length > 0).length;
const failures = failed + (missing.length > 0 ? 1 : 0);
writeCounts(result.violations.size - failed, failures);
console.log(
  failures === 0 ? 'nothing lost, nothing doubled, nobody left waiting' : `${failures} checks failed`,
);
process.exit(failures === 0 ? 0 : 1);

async function run(wish: Wanted): Promise<Result> {
  const began = performance.now();
  const room = await openRoom(tmpdir());
  let kept = values.keep;
  // Broken off: nothing more happens, and what has happened is checked.
  process.once('SIGINT', () => void steps.splice(0));
  process.once('SIGTERM', () => void room.dispose(true).finally(() => process.exit(1)));
  try {
    console.log(`history and logs: ${room.root}`);
    await drive(room, steps, (done) => {
      if (done % 500 === 0) console.log(`${done} of ${steps.length} steps, ${seconds(began)} s`);
    });
    await settled(room);
    await room.settle();
    const evidence = await gather(room);
    const violations = check(evidence);
    kept ||= [...violations.values()].some((found) => found.length > 0);
    if (kept)
      writeFileSync(
        join(room.root, 'violations.json'),
        JSON.stringify([...violations.values()].flat(), null, 2),
      );
    return { wanted: wish, seconds: seconds(began), evidence, violations, kills: room.host.kills };
  } finally {
    await room.dispose(kept);
    if (!kept) rmSync(room.root, { recursive: true, force: true });
  }
}

async function gather(room: Room): Promise<Evidence> {
  const containers = (await room.engine.api.containers()).map(({ Names }) => Names[0] ?? '?');
  return { history: readHistory(room.history.file), ...readFiles(room.dataDir), containers };
}

function check(evidence: Evidence): Map<string, Violation[]> {
  const violations = new Map(Object.entries(CHECKS).map(([name, find]) => [name, find(evidence)]));
  for (const [name, found] of violations) {
    if (found.length > 0) console.log(`\n✗ ${name}:`);
    for (const { words } of found.slice(0, SHOWN_VIOLATIONS)) console.log(`  ${words}`);
    if (found.length > SHOWN_VIOLATIONS) console.log(`  … and ${found.length - SHOWN_VIOLATIONS} more`);
  }
  return violations;
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 1000);
}

function count(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} is ${JSON.stringify(text)}; allowed: a whole number`);
  process.exit(2);
}
