import { lstatSync } from 'node:fs';
import Database from 'better-sqlite3';

/** What one session's runner has noted for itself: key and value. */
export type Memory = [key: string, value: string][];

const MOST_ROWS = 10_000;
const LONGEST_KEY = 1024;
const LARGEST_VALUE = 1024 * 1024;
const MOST_BYTES = 16 * 1024 * 1024;
const LARGEST_FILE = 512 * 1024 * 1024;

/**
 * The table `memory` of an `outbound.db`, in one read transaction. The file may be hostile: call this only in a process that
 * can be killed, because a tree of pages that leads nowhere keeps SQLite busy for ever.
 *
 * @returns `undefined` where there is nothing: no file, no table.
 * @throws Error saying why it cannot be read; `code` is SQLite's (SQLITE_BUSY: its writer is in mid-commit).
 */
export function readMemory(path: string): Memory | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat || (stat.isFile() && stat.size === 0)) return undefined;
  if (!stat.isFile() || stat.nlink !== 1) throw new Error('outbound.db is not a regular file of one link');
  if (stat.size > LARGEST_FILE) throw new Error(`outbound.db has more than ${LARGEST_FILE} bytes`);
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 0 });
  try {
    // Before anything is read: EXCLUSIVE refuses a file whose header says WAL.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; BEGIN',
    );
    return hasPlainTable(db) ? readRows(db) : undefined;
  } finally {
    db.close();
  }
}

function hasPlainTable(db: Database.Database): boolean {
  const found = db
    .prepare<[], { plain: number }>(
      "SELECT (type = 'table' AND rootpage > 0) AS plain FROM sqlite_schema WHERE name = 'memory' LIMIT 2",
    )
    .all();
  if (found.length === 0) return false;
  const columns = db
    .prepare<[], { name: string; hidden: number }>(
      "SELECT name, hidden FROM pragma_table_xinfo('memory') LIMIT 20",
    )
    .all();
  const isPlain = found.length === 1 && found[0]?.plain === 1 && columns.every(({ hidden }) => hidden === 0);
  if (!isPlain || !['key', 'value'].every((wanted) => columns.some(({ name }) => name === wanted)))
    throw new Error('memory is not an ordinary table with the columns key and value');
  return true;
}

function readRows(db: Database.Database): Memory {
  const rows = db
    .prepare<[], { key: unknown; value: unknown }>(
      `SELECT CASE WHEN octet_length(key) <= ${LONGEST_KEY} THEN key END AS key,
         CASE WHEN octet_length(value) <= ${LARGEST_VALUE} THEN value END AS value
       FROM memory LIMIT ${MOST_ROWS + 1}`,
    )
    .iterate();
  const memory: Memory = [];
  let bytes = 0;
  for (const { key, value } of rows) {
    if (typeof key !== 'string' || typeof value !== 'string')
      throw new Error('memory has a row that is too large, or is no text');
    bytes += key.length + value.length;
    if (memory.push([key, value]) > MOST_ROWS || bytes > MOST_BYTES)
      throw new Error('memory has more rows or bytes than a runner needs');
  }
  return memory;
}
