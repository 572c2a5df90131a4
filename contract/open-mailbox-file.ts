import Database from 'better-sqlite3';
import { migrate } from './migrate.ts';

/**
 * Opens one of a session's two files for its one writer: rollback journal, `synchronous=FULL` (read back,
 * because a connection that silently runs with less loses what it committed), and the tables made.
 * Opening also rolls back what a crash of the former writer left.
 *
 * @param busyTimeoutMs how long a write waits for a reader's lock; 0 for the host, at least 5000 for a runner.
 */
export function openMailboxFile(
  path: string,
  kind: 'inbound' | 'outbound',
  busyTimeoutMs: number,
): Database.Database {
  const db = new Database(path, { timeout: busyTimeoutMs });
  try {
    db.pragma('journal_mode = PERSIST');
    db.pragma('synchronous = FULL');
    const synchronous = db.pragma('synchronous', { simple: true });
    if (synchronous !== 2) throw new Error(`${path}: synchronous is ${synchronous}, wanted FULL (2)`);
    migrate(db, kind);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
