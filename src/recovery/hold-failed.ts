import type { Clock } from '../clock.ts';
import type { LedgerReads, SessionRow } from '../ledger/ledger-reads.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  clock: Clock;
  onEvents(events: OutboxRow[]): void;
  onRetryAt(session: string, at: number): void;
  onFatal(error: Error): void;
}

/**
 * Whether a session is left alone for a while because its containers died too often: then no message starts another one
 * before its time. Whoever sends one meanwhile is told at once.
 */
export function createHold(deps: Dependencies): (session: string) => boolean {
  return function isHeld(id) {
    const row = deps.reads.session(id);
    if (!row || !isLeftAlone(row, deps.clock.now())) return false;
    void tell(row).catch(deps.onFatal);
    return true;
  };

  async function tell({ id, errorReason, retryAt }: SessionRow): Promise<void> {
    const now = deps.clock.now();
    const told = { session: id, code: 'E_RESTARTS', reason: errorReason ?? '', now };
    deps.onEvents(await deps.writer.run('tellWaiting', told));
    deps.onRetryAt(id, retryAt ?? now);
  }
}

/** Pure. */
export function isLeftAlone(
  { state, errorCode, retryAt }: Pick<SessionRow, 'state' | 'errorCode' | 'retryAt'>,
  now: number,
): boolean {
  return state === 'failed' && errorCode === 'E_RESTARTS' && retryAt !== null && retryAt > now;
}
