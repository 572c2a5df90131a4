import Database from 'better-sqlite3';

/** What is wrong with a database, in SQLite's words; `null`: nothing. Reads the whole of it, and writes nothing. */
export function readThrough(path: string): string | null {
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
