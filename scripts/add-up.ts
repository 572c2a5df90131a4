// Prints what the suites of a CI run counted, added up: `passed failed skipped`. Each argument is the folder
// that one suite left its report in: summary.json from a program that counts for itself (BERTH_TEST_REPORT),
// else vitest.json from vitest (BERTH_VITEST_REPORT). A suite without a report adds nothing.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Count, sum } from './count.ts';
import { readVitestReport } from './read-vitest-report.ts';

const { passed, failed, skipped } = sum(process.argv.slice(2).map(countOf));
console.log(passed, failed, skipped);

function countOf(folder: string): Count {
  const summary = join(folder, 'summary.json');
  if (existsSync(summary)) return JSON.parse(readFileSync(summary, 'utf8'));
  const vitest = join(folder, 'vitest.json');
  if (existsSync(vitest)) return readVitestReport(vitest);
  return { passed: 0, failed: 0, skipped: 0 };
}
