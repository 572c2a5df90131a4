import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openBeneath } from './open-beneath.ts';
import { OutboundInvalid } from './outbound-invalid.ts';

/** Why there was nothing to read: no file yet, its writer is in mid-commit, or a crash left a journal. */
export type NothingToRead = 'absent' | 'busy' | 'hot-journal';

export interface OpenOutbound {
  /** Inside a read transaction: nothing that keeps to SQLite's locks changes the file until `close`. */
  db: Database.Database;
  fd: number;
  bytes: number;
  close(): void;
}

/** A larger file is nothing that a runner needs; pruning keeps it far below. */
const LARGEST_FILE = 512 * 1024 * 1024;
const FILE = 'outbound.db';
const JOURNAL = 'outbound.db-journal';

/**
 * Opens a session's `outbound.db` for reading and takes SQLite's shared lock, without waiting for anything and without
 * running anything: not even the schema is parsed. By descriptors, judged after the open: between a check of a
 * path and its use the container could put a link there, or a FIFO, whose open waits for ever.
 *
 * @param out the session's folder `out/`.
 * @throws OutboundInvalid
 */
export function openOutbound(out: string): OpenOutbound | NothingToRead {
  const fd = openPart(out, FILE);
  if (fd === undefined) return 'absent';
  let journal: number | undefined;
  let db: Database.Database | undefined;
  const close = () => {
    // Last of all the descriptors: closing any of a file drops the locks that this process has on it.
    db?.close();
    if (journal !== undefined) closeSync(journal);
    closeSync(fd);
  };
  try {
    const { size } = judge(fd, FILE) ?? {};
    if (size === undefined) return leave(close, 'busy');
    if (size === 0) return leave(close, 'absent');
    if (size > LARGEST_FILE)
      throw new OutboundInvalid(`outbound.db has ${size} bytes, ${LARGEST_FILE} are allowed`);
    const found = openPart(out, JOURNAL);
    journal = found ?? openSync(noJournal(out), constants.O_RDONLY | constants.O_CREAT, 0o600);
    if (found !== undefined && !judge(found, JOURNAL)) return leave(close, 'busy');
    db = lock(fd, journal);
    if (found === undefined && lstatSync(join(out, JOURNAL), { throwIfNoEntry: false }))
      return leave(close, 'busy');
    // Its size under the lock: a commit may have come in between.
    const { size: bytes } = fstatSync(fd);
    return { db, fd, bytes, close };
  } catch (error) {
    return leave(close, explainRefusal(error));
  }
}

function leave(close: () => void, why: NothingToRead): NothingToRead {
  close();
  return why;
}

function openPart(out: string, name: string): number | undefined {
  try {
    return openBeneath(out, [name]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    // Ours to mend, and no fault of the session.
    if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') throw error;
    throw new OutboundInvalid(`${name} is not a regular file (${code})`, { cause: error });
  }
}

/** @returns `undefined` for a file that has just been taken away. */
function judge(fd: number, name: string): { size: number } | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw new OutboundInvalid(`${name} is not a regular file`);
  if (stat.nlink > 1) throw new OutboundInvalid(`${name} has more than one link`);
  return stat.nlink === 0 ? undefined : stat;
}

/** Stands in for a journal that is not there: the host's own empty file, out of the container's reach. */
function noJournal(out: string): string {
  return join(out, '..', 'no-journal');
}

/** EXCLUSIVE refuses a file whose header says WAL. `user_version` is the first read: it takes the lock and parses nothing. */
function lock(fd: number, journalFd: number): Database.Database {
  const options: Database.Options & { journalFd: number } = { readonly: true, timeout: 0, journalFd };
  // By descriptor: better-sqlite3 has it since 13.2, its types do not know it yet.
  const db = new Database(fd as unknown as string, options);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0; BEGIN; PRAGMA user_version');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite's refusals: some only mean "look again", the rest that the file is no database of ours. @throws */
export function explainRefusal(error: unknown): NothingToRead {
  if (error instanceof OutboundInvalid) throw error;
  const { code = '', message } = error as { code?: string; message: string };
  // The file or its journal was replaced or deleted since the open: the next look finds what is there now.
  const isGone = code.startsWith('SQLITE_CANTOPEN') || message.endsWith('has been deleted');
  if (code.startsWith('SQLITE_BUSY') || isGone) return 'busy';
  if (code === 'SQLITE_READONLY_ROLLBACK' || code === 'SQLITE_READONLY_RECOVERY') return 'hot-journal';
  if (code.startsWith('SQLITE_') || error instanceof RangeError || error instanceof TypeError)
    throw new OutboundInvalid(`outbound.db cannot be read: ${message}`, { cause: error });
  throw error;
}
