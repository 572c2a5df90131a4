import type { AwakeSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { RestartPeriods } from '../config.ts';
import type { Engine } from '../engines/engine.ts';
import type { BerthError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import { hideSecrets } from '../secrets.ts';
import type { Writer } from '../writer/writer.ts';
import { classifyStart, type Death } from './classify-death.ts';
import { lastLines } from './last-lines.ts';
import type { Strays } from './remove-strays.ts';
import type { ReportDeath } from './report-death.ts';
import { failedPause, troublesOf } from './restart-limit.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  clock: Clock;
  log: Logger;
  restarts: RestartPeriods;
  report: ReportDeath;
  strays: Pick<Strays, 'remove'>;
  /** The container that the session has, should it have one. */
  containerOf(session: string): string;
  onEvents(events: OutboxRow[]): void;
  onRetryAt(session: string, at: number): void;
}

/** Lines of the container that a person is shown. */
const SHOWN_LINES = 5;
const LONGEST_REASON = 1500;

export type Fail = (
  session: string,
  epoch: number | undefined,
  error: BerthError,
  was?: AwakeSession,
) => Promise<void>;

/**
 * A start that came to nothing, or a session whose containers died too often: → failed. Whoever waits is told, with the
 * container's last lines where there was one; the row keeps the reason and the time of the next try; the container is removed.
 *
 * @param was the session as it was in `awake`, when its container was to be started.
 */
export function createFail(deps: Dependencies): Fail {
  return async function fail(session, epoch, error, was) {
    const given = error.code === 'E_RESTARTS';
    const container = deps.containerOf(session);
    const lines = given ? [] : await lastLines(deps.engine, container);
    const failures = deps.reads.session(session)?.failures ?? 0;
    const now = deps.clock.now();
    const retryAt = now + failedPause(failures, deps.restarts);
    const reason = explain(error, lines, retryAt);
    deps.log.error(
      { err: error, code: error.code, session, epoch, retryAt: new Date(retryAt).toISOString() },
      given ? `session failed: ${reason}` : `wake failed: ${reason}`,
    );
    const row = { session, epoch: epoch ?? 0, code: error.code, reason, retryAt, now };
    try {
      deps.onEvents(await deps.writer.run('failWake', row));
    } catch (ledgerError) {
      // The ledger itself cannot be written: the rows stay as they are, and the next try finds them.
      deps.log.error({ err: ledgerError, session }, 'the failure could not be recorded');
    }
    deps.onRetryAt(session, retryAt);
    await deps.strays.remove(container, session);
    if (!given) await reportStart(session, error, was, lines);
  };

  async function reportStart(
    session: string,
    error: BerthError,
    was: AwakeSession | undefined,
    lines: string[],
  ): Promise<void> {
    const death = deathOf(error);
    // There is nothing to look at later, and every try would push out a report that has something.
    if (death.class === 'engine' || death.class === 'disk') return;
    const next = 'whoever waits is told; the next message, or a while, brings the next try';
    const troubles = troublesOf(deps.reads.session(session));
    await deps.report({ session: was ?? { id: session }, death, claims: [], lines, troubles, next });
  }
}

function explain(error: BerthError, lines: string[], retryAt: number): string {
  const next =
    error.code === 'E_RESTARTS' ? `. It is tried again by itself at ${new Date(retryAt).toISOString()}` : '';
  const shown = lines.slice(-SHOWN_LINES).join('\n');
  return hideSecrets(`${error.message}${next}${shown ? `\nIts last lines:\n${shown}` : ''}`).slice(
    0,
    LONGEST_REASON,
  );
}

/** How a container ended is known best by whoever saw its end. */
function deathOf(error: BerthError): Death {
  const seen = error.cause as Partial<Death> | undefined;
  return error.code === 'E_CONTAINER_EXITED' && seen?.class ? (seen as Death) : classifyStart(error);
}
