import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { BerthError } from '../errors.ts';
import { lockDataFolder } from '../ledger/data-lock.ts';
import { openLedgerForWriting } from '../ledger/open-database.ts';

/** Asks the host that runs, or does it without one. */
export async function withoutHostElse<Result>(
  withHost: () => Promise<Result>,
  withoutHost: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await withHost();
  } catch (error) {
    if (error instanceof BerthError && error.code === 'E_NO_HOST') return await withoutHost();
    throw error;
  }
}

/** Works on the ledger of a data folder that no host holds. @throws E_NO_HOST where there is none, E_DATA_LOCKED. */
export async function withLedger<Result>(
  dataDir: string,
  work: (db: Database.Database) => Result | Promise<Result>,
): Promise<Result> {
  const path = join(dataDir, 'host.db');
  if (!existsSync(path)) throw new BerthError('E_NO_HOST', `there is no ledger in ${dataDir}`);
  const release = lockDataFolder(dataDir);
  try {
    const db = openLedgerForWriting(path);
    try {
      return await work(db);
    } finally {
      db.close();
    }
  } finally {
    await release();
  }
}
