const WINDOW_MS = 30 * 60_000;
const MOST_RESTARTS = 3;

/**
 * Whether a container that died may be started again at once: at most three times in half an hour. Pure.
 * @param deaths when it died, oldest first, this time included; monotonic milliseconds.
 */
export function mayRestart(deaths: readonly number[], now: number): boolean {
  return deaths.filter((at) => now - at < WINDOW_MS).length <= MOST_RESTARTS;
}

const FIRST_RETRY_MS = 30_000;
const LONGEST_RETRY_MS = 30 * 60_000;

/** The pause before a session that failed is tried again by itself, in milliseconds: growing to half an hour. Pure. */
export function failedRetryDelay(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}
