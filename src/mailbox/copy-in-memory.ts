import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { prepareOnce } from './prepare-once.ts';

/** A folder in memory, where there is one. */
const IN_MEMORY = '/dev/shm';
/** Where a database counts its commits: whoever reads it forgets what it knows once the number is another one. */
const COMMIT_COUNTER = 24;

/**
 * One open database that is given another content for each look. To open a copy and to prepare statements for it takes
 * several times as long as the look itself, and somebody waits for it. Only for copies whose schema is known, to the byte, to
 * be the one that this database was opened with.
 */
export function createCopyInMemory() {
  let opened: { schema: object; fd: number; size: number; db: Database.Database } | undefined;
  let commits = 0;

  return {
    /**
     * @param copy its commit counter is changed.
     * @returns what `how` does with it, inside of one read transaction; `undefined`: there is no room for such a file.
     * @throws what `how` throws.
     */
    read<Result>(
      copy: Buffer,
      schema: object,
      how: (db: Database.Database) => Result,
    ): { result: Result } | undefined {
      const db = put(copy, schema);
      if (!db) return undefined;
      try {
        prepareOnce(db, 'BEGIN').run();
        const result = how(db);
        prepareOnce(db, 'ROLLBACK').run();
        return { result };
      } catch (error) {
        close();
        throw error;
      }
    },
  };

  function put(copy: Buffer, schema: object): Database.Database | undefined {
    if (opened?.schema !== schema) close();
    commits = (commits + 1) % 2 ** 32;
    copy.writeUInt32BE(commits, COMMIT_COUNTER);
    try {
      if (opened) {
        writeAll(opened.fd, copy);
        if (copy.length < opened.size) ftruncateSync(opened.fd, copy.length);
        opened.size = copy.length;
      } else opened = { schema, ...open(copy) };
      return opened.db;
    } catch {
      close();
      return undefined;
    }
  }

  function close(): void {
    opened?.db.close();
    if (opened) closeSync(opened.fd);
    opened = undefined;
  }
}

/** The file has no name any more once it is open: nobody else can find it, and nothing is left of it after a kill. */
function open(content: Buffer): { fd: number; size: number; db: Database.Database } {
  const folder = mkdtempSync(
    join(existsSync(IN_MEMORY) ? IN_MEMORY : tmpdir(), `berth-look-${process.pid}-`),
  );
  let fd: number | undefined;
  try {
    const path = join(folder, 'copy.db');
    fd = openSync(path, 'wx+', 0o600);
    writeAll(fd, content);
    return { fd, size: content.length, db: openForReading(path) };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws where there is no room: half of a copy would be read with the rest of the one before. */
function writeAll(fd: number, content: Buffer): void {
  if (writeSync(fd, content, 0, content.length, 0) !== content.length) throw new Error('no room');
}

/** Nothing in it is believed: whoever wrote it may be hostile. */
export function openForReading(copy: Buffer | string): Database.Database {
  const db = new Database(copy, { readonly: true });
  db.exec(DISTRUST);
  return db;
}

export const DISTRUST = 'PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0';
