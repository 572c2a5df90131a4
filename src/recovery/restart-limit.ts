import type { RestartPeriods } from '../config.ts';

/** What a session's row keeps of its troubles: containers that died or hung. */
export interface Troubles {
  /** Unix milliseconds, oldest first; those since the last quiet while. */
  times: readonly number[];
  /** How often it was given up since then. */
  failures: number;
  /** Since when there was no trouble, Unix milliseconds; the pauses of a failed session are no quiet. */
  quietSince: number | null;
}

/** The troubles as the ledger's row has them. */
export function troublesOf(
  row: { troubles: string; failures: number; quietSince: number | null } | undefined,
): Troubles {
  if (!row) return { times: [], failures: 0, quietSince: null };
  return {
    times: JSON.parse(row.troubles) as number[],
    failures: row.failures,
    quietSince: row.quietSince,
  };
}

/** More are not needed to judge, nor to tell a person how often. */
const KEPT_TIMES = 50;

/**
 * Takes down one more trouble. A quiet while (`windowMs`) before it makes all earlier ones forgotten. Pure.
 * @returns the troubles to keep, and whether the container may be started anew at once.
 */
export function afterTrouble(
  before: Troubles,
  now: number,
  { most, windowMs }: Pick<RestartPeriods, 'most' | 'windowMs'>,
): { troubles: Troubles; restart: boolean } {
  const forgotten = before.quietSince !== null && now - before.quietSince >= windowMs;
  // A clock that was put back must not make an old trouble a future one.
  const earlier = forgotten ? [] : before.times.map((at) => Math.min(at, now));
  const times = [...earlier, now].slice(-KEPT_TIMES);
  const restart = times.filter((at) => now - at < windowMs).length <= most;
  return { troubles: { times, failures: forgotten ? 0 : before.failures, quietSince: now }, restart };
}

/**
 * The pause before a session that failed is tried again by itself, in milliseconds: doubling up to the longest. Pure.
 * @param failures how often it had failed before, one after the other.
 */
export function failedPause(
  failures: number,
  { pauseMs, longestPauseMs }: Pick<RestartPeriods, 'pauseMs' | 'longestPauseMs'>,
): number {
  return Math.min(pauseMs * 2 ** Math.min(failures, 40), longestPauseMs);
}
