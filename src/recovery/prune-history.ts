import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { asBerthError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import { SETTLING, type SettlingTable, type WalkedRow } from '../ledger/settled.ts';
import type { Logger } from '../log.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import type { Release } from '../release-stack.ts';
import type { Writer } from '../writer/writer.ts';
import { pruneLent } from './prune-lent.ts';

interface Dependencies {
  writer: Pick<Writer, 'run'>;
  reads: Pick<LedgerReads, 'walk'>;
  clock: Clock;
  log: Logger;
  dataDir: string;
  /** How old what is settled gets, in milliseconds. */
  keepMs: number;
}

/** Rows in one transaction: a message that waits for the same commit notices nothing of so few. */
const PAGE = 200;
/** Between two of them, in milliseconds: a ledger of a million rows is walked in minutes, and nobody is in a hurry. */
const BREATH_MS = 20;
const FIRST_MS = 5000;
const EVERY_MS = 60 * 60_000;

/**
 * Removes what was settled long ago, with its files: messages, events, usage. Files go first, so that a crash between
 * the two leaves rows, and they are found again.
 *
 * @returns how many rows went, by table. Ends early when `signal` says so.
 */
export async function pruneHistory(
  deps: Dependencies,
  signal?: AbortSignal,
): Promise<Record<SettlingTable, number>> {
  const gone = { inbox: 0, outbox: 0, usage: 0 };
  const now = deps.clock.now();
  const before = now - deps.keepMs;
  for (const table of SETTLING) {
    let after = 0;
    while (!signal?.aborted) {
      const rows = deps.reads.walk(table, { after, before, now }, PAGE);
      const settled = rows.filter((row) => row.settled === 1);
      await Promise.all(settled.map((row) => removeFiles(deps.dataDir, table, row)));
      const places = settled.map(({ place }) => place);
      if (places.length > 0) gone[table] += await deps.writer.run('prune', { table, places, before, now });
      const last = rows.at(-1);
      if (!last || rows.every((row) => row.old === 0)) break;
      after = last.place;
      await pause(BREATH_MS);
    }
  }
  return gone;
}

type KeepDependencies = Dependencies & Parameters<typeof pruneLent>[0];

/** Prunes a moment after the start and then every hour, until released. */
export function keepPruning(deps: KeepDependencies): Release {
  const stop = new AbortController();
  let running = Promise.resolve();
  const run = () => {
    running = running.then(() => pruneAndTell(deps, stop.signal));
  };
  const first = setTimeout(run, FIRST_MS);
  const timer = setInterval(run, EVERY_MS);
  return async () => {
    stop.abort();
    clearTimeout(first);
    clearInterval(timer);
    await running;
  };
}

async function pruneAndTell(deps: KeepDependencies, signal: AbortSignal): Promise<void> {
  try {
    const gone = { ...(await pruneHistory(deps, signal)), files: await pruneLent(deps, signal) };
    if (Object.values(gone).some((count) => count > 0))
      deps.log.info(gone, 'what was settled long ago, and files that no message has, are pruned');
  } catch (error) {
    const { code } = asBerthError(error);
    deps.log.warn({ err: error, code }, 'pruning failed: it is tried again in an hour');
  }
}

async function removeFiles(dataDir: string, table: SettlingTable, row: WalkedRow): Promise<void> {
  if (row.group === null || table === 'usage') return;
  const { inFiles, sent } = sessionFolders(dataDir, row.group, row.session);
  await rm(join(table === 'inbox' ? inFiles : sent, row.files), { recursive: true, force: true });
}
