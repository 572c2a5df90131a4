import Database from 'better-sqlite3';
import { migrate } from '../../contract/migrate.ts';
import { BerthError } from '../errors.ts';
import { keepPrivate } from '../private-file.ts';

/**
 * Opens `host.db` for its one writer: no other user's, WAL, `synchronous=FULL` read back (a reopened WAL database has NORMAL
 * until told otherwise, and then loses commits), foreign keys, migrations applied.
 *
 * @throws E_LEDGER when it cannot be opened or is from a newer version, E_LEDGER_DAMAGED when it is no database.
 */
export function openLedgerForWriting(path: string): Database.Database {
  keepPrivate(path);
  return opening(path, {}, (db) => {
    db.pragma('journal_mode = WAL');
    db.pragma('foreign_keys = ON');
    migrate(db, 'host');
  });
}

/** Opens `host.db` for the main thread's look-ups, beside the writer. */
export function openLedgerForReading(path: string): Database.Database {
  return opening(path, { readonly: true, fileMustExist: true }, () => undefined);
}

function opening(
  path: string,
  options: Database.Options,
  prepare: (db: Database.Database) => void,
): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, options);
    db.pragma('synchronous = FULL');
    const synchronous = db.pragma('synchronous', { simple: true });
    if (synchronous !== 2) throw new Error(`synchronous is ${synchronous}, wanted FULL (2)`);
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    const { code = '', message } = error as { code?: string; message: string };
    const isDamaged = /^SQLITE_(NOTADB|CORRUPT)/.test(code);
    throw new BerthError(isDamaged ? 'E_LEDGER_DAMAGED' : 'E_LEDGER', `${path}: ${message}`, error);
  }
}
