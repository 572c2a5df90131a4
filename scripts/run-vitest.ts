import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Count } from './count.ts';
import { readVitestReport } from './read-vitest-report.ts';
import { runAloud, runTool } from './run-tool.ts';

/** Runs one of the projects in vitest.config.ts; the report goes to `folder`. */
export async function runVitest(project: string, folder: string): Promise<Count> {
  const report = join(folder, `${project}.json`);
  const code = await runAloud('vitest', ['run', '--project', project], { BERTH_VITEST_REPORT: report });
  const count = existsSync(report) ? readVitestReport(report) : { passed: 0, failed: 0, skipped: 0 };
  // No test files, an error outside of every test, a global setup that threw: vitest says so by its exit alone.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  return count;
}

/** How many tests a project has, without running them. */
export async function listVitest(project: string): Promise<number> {
  const { ok, output } = await runTool('vitest', 'list', '--project', project, '--json');
  if (!ok) throw new Error(`vitest could not list the ${project} tests:\n${output}`);
  const tests: unknown[] = JSON.parse(output);
  return tests.length;
}
