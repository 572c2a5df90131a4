const LONGEST_MS = 5 * 60_000;

/** The pause after the n-th failure in a row, in milliseconds: doubling from `firstMs`, with jitter, to five minutes. Pure but for that. */
export function retryDelay(attempt: number, firstMs: number, random: () => number = Math.random): number {
  const full = Math.min(firstMs * 2 ** (attempt - 1), LONGEST_MS);
  return Math.round(full * (0.75 + random() / 2));
}
