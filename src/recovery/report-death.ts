import type { AwakeSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { RestartPeriods } from '../config.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import type { Death } from './classify-death.ts';
import { type CrashReport, writeCrashReport } from './crash-report.ts';
import type { Troubles } from './restart-limit.ts';

interface Dependencies {
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  dataDir: string;
  restarts: RestartPeriods;
  containerOf(session: string): string;
}

interface Found {
  session: Pick<AwakeSession, 'id' | 'epoch' | 'spec' | 'startedAt' | 'open'> | { id: string };
  death: Death;
  claims: CrashReport['claims'];
  lines: string[];
  troubles: Pick<Troubles, 'times'>;
  next: string;
}

export type ReportDeath = (found: Found) => Promise<void>;

/** Writes the crash report of a container. One that cannot be written is a line in the log, and keeps nothing else from happening. */
export function createReport(deps: Dependencies): ReportDeath {
  return async function report({ session, death, claims, lines, troubles, next }) {
    const now = deps.clock.now();
    const row = deps.reads.session(session.id);
    const lived = 'startedAt' in session ? session : undefined;
    try {
      const path = await writeCrashReport(deps.dataDir, {
        at: new Date(now).toISOString(),
        session: session.id,
        group: row?.group ?? '',
        epoch: lived?.epoch ?? null,
        container: deps.containerOf(session.id),
        ...death,
        livedMs: lived ? Math.max(0, now - lived.startedAt) : null,
        claims,
        waiting: lived?.open.size ?? row?.queue ?? 0,
        howOften: {
          times: troubles.times.map((at) => new Date(at).toISOString()),
          withinMs: deps.restarts.windowMs,
          restartsAllowed: deps.restarts.most,
        },
        next,
        lines,
        spec: lived?.spec ?? null,
      });
      deps.log.info({ session: session.id, path }, 'crash report written');
    } catch (error) {
      deps.log.warn({ err: error, session: session.id }, 'the crash report could not be written');
    }
  };
}
