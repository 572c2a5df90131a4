import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Engine } from '../engines/engine.ts';
import type { BerthError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import { hideSecrets } from '../secrets.ts';
import type { Writer } from '../writer/writer.ts';
import { failedRetryDelay } from './restart-limit.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  clock: Clock;
  log: Logger;
  /** The container that the session has, should it have one. */
  containerOf(session: string): string;
  onEvents(events: OutboxRow[]): void;
  onRetryAt(session: string, at: number): void;
}

const LAST_LINES = 5;
const TAIL_LIMIT_MS = 2000;
const LONGEST_REASON = 1500;

/**
 * A start that came to nothing: waking → failed. Whoever waits is told with the container's last lines, the row keeps the
 * reason and the time of the next try, the container is removed.
 */
export function createFail(
  deps: Dependencies,
): (session: string, epoch: number | undefined, error: BerthError) => Promise<void> {
  return async function fail(session, epoch, error) {
    const reason = await explain(session, error);
    const failures = deps.reads.session(session)?.failures ?? 0;
    const now = deps.clock.now();
    const retryAt = now + failedRetryDelay(failures);
    deps.log.error(
      { err: error, code: error.code, session, epoch, retryAt: new Date(retryAt).toISOString() },
      `wake failed: ${reason}`,
    );
    try {
      const events = await deps.writer.run('failWake', {
        session,
        epoch: epoch ?? 0,
        code: error.code,
        reason,
        retryAt,
        now,
      });
      deps.onEvents(events);
      deps.onRetryAt(session, retryAt);
    } catch (ledgerError) {
      // The ledger itself cannot be written: the rows stay as they are, and the next try finds them.
      deps.log.error({ err: ledgerError, session }, 'the failure could not be recorded');
      deps.onRetryAt(session, retryAt);
    }
    await deps.engine.remove(deps.containerOf(session)).catch(() => undefined);
  };

  async function explain(session: string, error: BerthError): Promise<string> {
    // Who waits is to be told soon: an engine that hangs is not waited for.
    const tail = await Promise.race([
      deps.engine.tail(deps.containerOf(session), LAST_LINES).catch(() => ''),
      setTimeout(TAIL_LIMIT_MS, '', { ref: false }),
    ]);
    const lines = tail.trim();
    return hideSecrets(`${error.message}${lines ? `\nIts last lines:\n${lines}` : ''}`).slice(
      0,
      LONGEST_REASON,
    );
  }
}
