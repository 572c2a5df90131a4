import { parentPort } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { takeWork } from '../take-work.ts';

/* Reads through the whole ledger beside everybody else, and writes nothing: one look takes a second for a million rows. */

takeWork<{ path: string }>(({ path }) => parentPort?.postMessage(problem(path)));

/** What is wrong with the file, in SQLite's words; `null`: nothing. */
function problem(path: string): string | null {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const found = db.pragma('quick_check(5)') as { quick_check: string }[];
    const words = found.map(({ quick_check }) => quick_check).join('; ');
    return words === 'ok' ? null : words.replaceAll('\n', ', ').slice(0, 500);
  } catch (error) {
    return (error as Error).message;
  } finally {
    db?.close();
  }
}
