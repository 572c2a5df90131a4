import { readSync } from 'node:fs';
import { checkTables } from './check-tables.ts';
import { createCopyInMemory, DISTRUST, openForReading } from './copy-in-memory.ts';
import { explainRefusal, type NothingToRead, openOutbound } from './open-outbound.ts';
import { type LookOptions, type OutboundLook, readRows } from './read-rows.ts';
import { createKnownSchemas, hasPlainSchema, type KnownSchema } from './vet-copy.ts';

/** What a look in this thread takes on; whatever exceeds it is looked at in a process that can be killed. */
const QUICK_FILE = 2 * 1024 * 1024;
const QUICK_BODY = 64 * 1024;

let copy = Buffer.alloc(0);
const knownSchemas = createKnownSchemas();
const inMemory = createCopyInMemory();

/**
 * One look at what a container wrote, bounded in time and memory whatever the file holds. The file may be hostile, and
 * its maker may go on changing it while it is read, without heeding a lock. So it is copied under SQLite's lock, which a
 * proper runner heeds, and only the copy is looked into, once it is known that this comes to an end. Takes about 0.2 ms.
 *
 * @returns `exceeds`: to be looked at by `createSlowLooks`, with the same options.
 * @throws OutboundInvalid when the file breaks the contract.
 */
export function readOutbound(options: LookOptions): OutboundLook | NothingToRead | 'exceeds' {
  const file = openOutbound(options.out);
  if (typeof file === 'string') return file;
  const { bytes, fd } = file;
  try {
    if (bytes > QUICK_FILE) return 'exceeds';
    if (copy.length < bytes) copy = Buffer.allocUnsafeSlow(Math.min(2 * bytes, QUICK_FILE));
    if (readSync(fd, copy, 0, bytes, 0) !== bytes) return 'busy';
  } finally {
    file.close();
  }
  return readCopy(copy.subarray(0, bytes), options);
}

function readCopy(own: Buffer, options: LookOptions): OutboundLook | NothingToRead | 'exceeds' {
  const known = knownSchemas.find(own);
  if (!known && !hasPlainSchema(own)) return 'exceeds';
  try {
    const look =
      known && inMemory.read(own, known, (db) => readRows(db, options, known.claimsKey, QUICK_BODY));
    return look ? (look.result ?? 'exceeds') : readByItself(own, options, known);
  } catch (error) {
    return explainRefusal(error);
  }
}

/** A copy in a database of its own: its schema has to be checked first, or there was no room for the other way. */
function readByItself(
  own: Buffer,
  options: LookOptions,
  known: KnownSchema | undefined,
): OutboundLook | 'absent' | 'exceeds' {
  const db = openForReading(own);
  try {
    const claimsKey = known?.claimsKey ?? checkTables(db);
    if (claimsKey === undefined) return 'absent';
    if (!known) knownSchemas.keep(own, claimsKey);
    return readRows(db, options, claimsKey, QUICK_BODY) ?? 'exceeds';
  } finally {
    db.close();
  }
}

/**
 * The same look at the file itself, however long it takes: for a process that is killed when it takes too long.
 * @throws OutboundInvalid
 */
export function readOutboundSlowly(options: LookOptions): OutboundLook | NothingToRead {
  const file = openOutbound(options.out);
  if (typeof file === 'string') return file;
  try {
    file.db.exec(DISTRUST);
    const claimsKey = checkTables(file.db);
    return (claimsKey !== undefined && readRows(file.db, options, claimsKey)) || 'absent';
  } catch (error) {
    return explainRefusal(error);
  } finally {
    file.close();
  }
}
