import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildReads, createBuildReads } from '../ledger/build-reads.ts';
import { openLedgerForReading } from '../ledger/open-database.ts';

/**
 * Looks into the ledger of a data folder beside the host that may write it.
 * @returns `undefined` when there is none, or one of an older version, which knows no images yet.
 * @throws E_LEDGER.
 */
export function openBuilds(dataDir: string): BuildReads | undefined {
  const path = join(dataDir, 'host.db');
  if (!existsSync(path)) return undefined;
  const db = openLedgerForReading(path);
  try {
    return createBuildReads(db);
  } catch {
    db.close();
    return undefined;
  }
}
