import type { SessionRow } from '../ledger/ledger-reads.ts';
import type { LeftSession } from '../ledger/session-state.ts';
import { isLeftAlone } from './hold-failed.ts';
import { type TakeLeftDependencies, takeLeft } from './take-left.ts';

interface Dependencies extends TakeLeftDependencies {
  /** Sessions that are awake by the ledger, and were not adopted. */
  left: LeftSession[];
  /** Sessions that had a container when this host looked. */
  found: ReadonlySet<string>;
  onDue(session: string, at: number): void;
}

const VANISHED = 'The container vanished while it worked on this, and no host ran that saw why';

/**
 * At the host's start, after the adoption: what the other containers had committed is collected, what those that vanished
 * were working on counts as tried, and sessions in which somebody waits are put on the list of those to wake.
 */
export async function resumeSessions(deps: Dependencies): Promise<void> {
  await Promise.all(
    deps.left.map(({ id, state }) => {
      const worked = state === 'awake' || state === 'freezing' || state === 'frozen';
      return takeLeft(deps, id, worked && !deps.found.has(id) ? VANISHED : undefined);
    }),
  );
  for (const { session, dueAt } of deps.reads.waitingSessions()) {
    const row = deps.reads.session(session);
    if (row) deps.onDue(session, firstTry(row, dueAt, deps.clock.now()));
  }
}

/** A session that is left alone for a while is so across a restart of the host. */
function firstTry(row: SessionRow, dueAt: number, now: number): number {
  return isLeftAlone(row, now) ? Math.max(dueAt, row.retryAt ?? 0) : dueAt;
}
