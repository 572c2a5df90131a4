import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { HealthPeriods } from '../config.ts';
import type { Engine } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { AwaitedImage } from '../groups/awaited-image.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import { newestCrashReport } from './crash-report.ts';
import { explainWait, type Why, type WhyFacts } from './explain-wait.ts';
import type { HealthWatch } from './watch-health.ts';

interface Dependencies {
  reads: LedgerReads;
  clock: Clock;
  dataDir: string;
  /** `null`: no host runs. */
  host: {
    awake: AwakeSessions;
    engine: Engine;
    health: HealthPeriods;
    healthOf: HealthWatch['of'];
    group(folder: string): unknown;
    placeOf(session: string): number | null;
    awaitedImage(session: string): AwaitedImage | null;
  } | null;
}

/** Answers "why is there no reply in this session?". @throws E_SESSION_UNKNOWN. */
export async function gatherWhy(deps: Dependencies, session: string): Promise<Why> {
  const { reads, clock, dataDir, host } = deps;
  const row = reads.session(session);
  if (!row) throw new BerthError('E_SESSION_UNKNOWN', `there is no session "${session.slice(0, 80)}"`);
  const newest = await newestCrashReport(dataDir, session);
  const { at = '', words = '', howOften } = newest?.report ?? {};
  return explainWait({
    now: clock.now(),
    row,
    waiting: reads.waitingMessages(session),
    undelivered: reads.undelivered(session),
    told: reads.lastTold(session),
    host: host && (await seenByHost(host, row)),
    crash: newest && { path: newest.path, at, words, times: howOften?.times.length ?? 0 },
  });
}

async function seenByHost(
  host: NonNullable<Dependencies['host']>,
  row: { id: string; group: string },
): Promise<NonNullable<WhyFacts['host']>> {
  const session = host.awake.get(row.id);
  return {
    periods: host.health,
    trouble: await troubleOf(host, row.group),
    place: host.placeOf(row.id),
    image: host.awaitedImage(row.id),
    live:
      session?.state === 'awake'
        ? {
            processing: [...session.processing],
            health: host.healthOf(session),
            turnLimitMs: session.group.limits.turnMs,
            outdated: session.outdated || session.retiring,
          }
        : null,
  };
}

async function troubleOf(host: NonNullable<Dependencies['host']>, group: string): Promise<string | null> {
  try {
    host.group(group);
    await host.engine.check();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
