import { writeFileSync } from 'node:fs';

/**
 * Makes an empty file that its owner alone may read, unless there is one. SQLite would let everybody read a database that it makes,
 * and gives what lies beside one the rights of the database. What is there is not opened: closing it again would give back the
 * locks that this process has on it.
 */
export function makePrivateFile(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
