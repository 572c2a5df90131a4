/** What a step of `npm test` or of CI found. */
export type Count = { passed: number; failed: number; skipped: number };

/** The sum of several counts. */
export function sum(counts: Iterable<Count>): Count {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  for (const count of counts) {
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  return total;
}

/** The words that programs look for in the last line. */
export function inWords({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
