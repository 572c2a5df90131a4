import { chmodSync, closeSync, openSync, statSync } from 'node:fs';

/**
 * Makes the file if there is none, and closes it to all other users: SQLite would let everybody read a database that it makes, and
 * gives what lies beside one the rights of the database. (Never by opening one that is there: closing it would drop the locks that
 * SQLite has on it.)
 */
export function keepPrivate(path: string): void {
  try {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode;
    if (mode === undefined) closeSync(openSync(path, 'wx', 0o600));
    else if ((mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch {
    // Whoever opens it next finds out, and can say what it was for.
  }
}
