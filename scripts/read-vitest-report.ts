import { readFileSync } from 'node:fs';
import type { Count } from './count.ts';

/** The part of vitest's JSON report that counts. */
type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  success: boolean;
  testResults: { status: string; assertionResults: unknown[] }[];
};

/**
 * Counts the tests in a report that vitest's JSON reporter wrote. A file that could not even be loaded has
 * no tests in it and counts as one failure.
 */
export function readVitestReport(path: string): Count {
  const report: VitestReport = JSON.parse(readFileSync(path, 'utf8'));
  const notLoaded = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + notLoaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
