const FIRST_MS = 1_000;
const LONGEST_MS = 5 * 60_000;

/** The pause after the n-th failure in a row, in milliseconds: doubling from a second, with jitter, to five minutes. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_MS * 2 ** (attempt - 1), LONGEST_MS);
  return Math.round(full * (0.75 + random() / 2));
}
