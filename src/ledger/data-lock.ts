import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { asBerthError, BerthError } from '../errors.ts';
import { keepPrivate } from '../private-file.ts';
import type { Release } from '../release-stack.ts';

/**
 * Takes the data folder for this process, making it if need be. The lock is an open `BEGIN EXCLUSIVE` on
 * `lock.db`: the kernel gives it back when the process dies, however it dies. The holder's pid stands beside
 * it as text, for people.
 *
 * @returns the release.
 * @throws E_DATA_DIR when the folder cannot be written, E_DATA_LOCKED naming the holder.
 */
export function lockDataFolder(dataDir: string): Release {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new BerthError(
      'E_DATA_DIR',
      `the data folder ${dataDir} cannot be made: ${(error as Error).message}`,
      error,
    );
  }
  const pidFile = join(dataDir, 'lock.pid');
  let db: Database.Database | undefined;
  try {
    keepPrivate(join(dataDir, 'lock.db'));
    db = new Database(join(dataDir, 'lock.db'), { timeout: 0 });
    db.pragma('journal_mode = MEMORY');
    db.exec('BEGIN EXCLUSIVE');
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    db?.close();
    const { code, message } = error as { code?: string; message: string };
    if (code === 'SQLITE_BUSY') {
      throw new BerthError(
        'E_DATA_LOCKED',
        `the data folder ${dataDir} is held by ${holder(pidFile)}`,
        error,
      );
    }
    const text = `the data folder ${dataDir} cannot be written: ${message}`;
    throw new BerthError(asBerthError(error, 'E_DATA_DIR').code, text, error);
  }
  const held = db;
  return () => {
    held.close();
  };
}

function holder(pidFile: string): string {
  try {
    return `process ${readFileSync(pidFile, 'utf8').trim()}`;
  } catch {
    return 'another process';
  }
}
