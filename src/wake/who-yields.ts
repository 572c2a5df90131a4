import type { SessionState } from '../ledger/rows.ts';

/** What the decision needs to know of a session that has a container. */
export interface Holder {
  session: string;
  state: SessionState;
  /** A message is being worked on, or may be taken up now. */
  working: boolean;
  /** Monotonic milliseconds of the last message or reply. */
  activeAt: number;
}

/**
 * Whose containers are stopped so that `count` others may start: the frozen ones first, then the idle ones, of each the
 * longest idle first. One that works, or is on its way up or down, never. Pure.
 * @returns at most `count` sessions.
 */
export function whoYields(holders: readonly Holder[], count: number): string[] {
  return holders
    .filter(({ state, working }) => !working && rank[state] !== undefined)
    .sort((one, other) => (rank[one.state] ?? 0) - (rank[other.state] ?? 0) || one.activeAt - other.activeAt)
    .slice(0, Math.max(0, count))
    .map(({ session }) => session);
}

const rank: Partial<Record<SessionState, number>> = { frozen: 0, freezing: 1, awake: 1 };
