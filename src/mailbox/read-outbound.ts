import { lstatSync } from 'node:fs';
import Database from 'better-sqlite3';
import { CONTAINER_ID_PATTERN } from '../../contract/ids.ts';
import { missingTables } from './check-tables.ts';
import { OutboundInvalid } from './outbound-invalid.ts';
import {
  type OutboundClaim,
  type OutboundMessage,
  type OutboundUsage,
  parseClaim,
  parseMessage,
  parseUsage,
} from './outbound-rows.ts';

/** What one look at an `outbound.db` found. */
export interface OutboundLook {
  file: string;
  epoch: number;
  controlSeq: number;
  parked: boolean;
  /** Times of the container, as it says them; `null`: none, or no time. */
  activityAt: number | null;
  toolUntil: number | null;
  messages: OutboundMessage[];
  usage: OutboundUsage[];
  /** Of the messages that were asked for. */
  claims: OutboundClaim[];
  /** True: there are more messages than one look takes; the claims are then left for the last look. */
  more: boolean;
}

export interface LookOptions {
  path: string;
  session: string;
  /** The newest epoch that the session's containers have had. */
  epoch: number;
  cursor: { file: string | null; seq: number; usage: number };
  /** Messages without an answer: id and attempt. */
  open: Iterable<[id: string, attempt: number]>;
}

/** Why there was nothing to read: no file yet, its writer is in mid-commit, or a crash left a journal. */
export type NothingToRead = 'absent' | 'busy' | 'hot-journal';

/** Bounds of one look: rows, and bytes of a body. */
const PAGE = 100;
const LARGEST_BODY = 1024 * 1024;
/** A larger file is nothing that a runner needs; pruning keeps it far below. */
const LARGEST_FILE = 512 * 1024 * 1024;

/**
 * One look at what a container wrote, in one read transaction, bounded in rows and bytes. The file may be hostile:
 * every step follows "Everything under `out/` may be hostile" in `docs/contract.md`. Takes about 0.3 ms.
 *
 * @throws OutboundInvalid when the file breaks the contract.
 */
export function readOutbound(options: LookOptions): OutboundLook | NothingToRead {
  const found = checkFile(options.path);
  if (found !== 'ordinary') return found;
  let db: Database.Database | undefined;
  try {
    db = new Database(options.path, { readonly: true, fileMustExist: true, timeout: 0 });
    // Before anything is read: EXCLUSIVE refuses a file whose header says WAL.
    db.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; BEGIN',
    );
    return read(db, options);
  } catch (error) {
    return explain(error);
  } finally {
    db?.close();
  }
}

function checkFile(path: string): 'ordinary' | 'absent' {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return 'absent';
  if (!stat.isFile()) throw new OutboundInvalid('outbound.db is not a regular file');
  if (stat.nlink !== 1) throw new OutboundInvalid('outbound.db has more than one link');
  if (stat.size > LARGEST_FILE) throw new OutboundInvalid(`outbound.db is larger than ${LARGEST_FILE} bytes`);
  return stat.size === 0 ? 'absent' : 'ordinary';
}

function read(db: Database.Database, options: LookOptions): OutboundLook | NothingToRead {
  const missing = missingTables(db);
  if (missing.includes('runner')) return 'absent';
  const runner = db
    .prepare<
      [],
      Record<
        'file_id' | 'session' | 'epoch' | 'control_seq' | 'parked' | 'activity_at' | 'tool_until',
        unknown
      >
    >(
      `SELECT substr(file_id, 1, 65) AS file_id, substr(session, 1, 65) AS session, epoch, control_seq, parked,
         activity_at, tool_until FROM runner WHERE only_row = 1`,
    )
    .get();
  // The row is what says that the file is made.
  if (!runner) return 'absent';
  if (missing.length > 0) throw new OutboundInvalid(`the table ${missing[0]} is missing`);
  if (runner.session !== options.session) throw new OutboundInvalid('outbound.db belongs to another session');
  const file = runner.file_id;
  if (typeof file !== 'string' || !CONTAINER_ID_PATTERN.test(file))
    throw new OutboundInvalid('runner.file_id is not an id');
  const epoch = integer(runner.epoch, 'runner.epoch');
  if (epoch > options.epoch) throw new OutboundInvalid(`runner.epoch ${epoch} lies in the future`);
  const cursor = options.cursor.file === file ? options.cursor : { seq: 0, usage: 0 };
  const messages = readMessages(db, cursor.seq, options.epoch);
  const more = messages.length === PAGE;
  return {
    file,
    epoch,
    controlSeq: integer(runner.control_seq, 'runner.control_seq'),
    parked: runner.parked === 1,
    activityAt: time(runner.activity_at),
    toolUntil: time(runner.tool_until),
    messages,
    usage: readUsage(db, cursor.usage),
    claims: more ? [] : readClaims(db, options.open),
    more,
  };
}

function readMessages(db: Database.Database, after: number, newestEpoch: number): OutboundMessage[] {
  const rows = db
    .prepare(
      `SELECT seq, id, epoch, kind, in_reply_to, destination, created_at,
         CASE WHEN octet_length(body) <= ${LARGEST_BODY} THEN body END AS body
       FROM messages WHERE seq > ? ORDER BY seq LIMIT ${PAGE}`,
    )
    .safeIntegers(false)
    .all(after);
  let epoch = 0;
  return rows.map((row) => {
    const message = parseMessage(row);
    if (message.epoch < epoch || message.epoch > newestEpoch) {
      throw new OutboundInvalid(`message ${message.id} bears epoch ${message.epoch}, out of order`);
    }
    epoch = message.epoch;
    return message;
  });
}

function readUsage(db: Database.Database, after: number): OutboundUsage[] {
  return db
    .prepare(
      `SELECT seq, substr(message_id, 1, 65) AS messageId, substr(model, 1, 200) AS model, input_tokens AS inputTokens,
         output_tokens AS outputTokens, cache_read_tokens AS cacheReadTokens, cache_write_tokens AS cacheWriteTokens,
         cost_usd AS costUsd, duration_ms AS durationMs, at
       FROM usage WHERE seq > ? ORDER BY seq LIMIT ${PAGE}`,
    )
    .all(after)
    .map(parseUsage);
}

/** Looked up one by one: the cost follows what waits, not what the container has piled up. */
function readClaims(db: Database.Database, open: LookOptions['open']): OutboundClaim[] {
  const find = db.prepare(
    `SELECT status, substr(error, 1, 2000) AS error, substr(error_class, 1, 40) AS error_class, retry_at
     FROM claims WHERE message_id = ? AND attempt = ?`,
  );
  const claims: OutboundClaim[] = [];
  for (const [message, attempt] of open) {
    const row = find.get(message, attempt);
    if (row) claims.push(parseClaim(message, attempt, row));
  }
  return claims;
}

function integer(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new OutboundInvalid(`${name} is not an integer from 0 to 2^53−1`);
}

function time(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** SQLite's refusals: some only mean "look again", the rest that the file is no database of ours. */
function explain(error: unknown): NothingToRead {
  if (error instanceof OutboundInvalid) throw error;
  const { code = '', message } = error as { code?: string; message: string };
  if (code.startsWith('SQLITE_BUSY')) return 'busy';
  if (code === 'SQLITE_READONLY_ROLLBACK' || code === 'SQLITE_READONLY_RECOVERY') return 'hot-journal';
  if (code.startsWith('SQLITE_') || error instanceof RangeError || error instanceof TypeError) {
    throw new OutboundInvalid(`outbound.db cannot be read: ${message}`, { cause: error });
  }
  throw error;
}
