import type Database from 'better-sqlite3';
import { CONTAINER_ID_PATTERN } from '../../contract/ids.ts';
import { OutboundInvalid } from './outbound-invalid.ts';
import {
  type OutboundClaim,
  type OutboundMessage,
  type OutboundUsage,
  parseClaim,
  parseMessage,
  parseUsage,
} from './outbound-rows.ts';
import { prepareOnce } from './prepare-once.ts';

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
  /** The session's folder `out/`. */
  out: string;
  session: string;
  /** The newest epoch that the session's containers have had. */
  epoch: number;
  /** What was collected before; `epoch` is the least that a row may bear, in whichever file. */
  cursor: { file: string | null; seq: number; usage: number; epoch: number };
  /** Messages without an answer: id and attempt. */
  open: [id: string, attempt: number][];
}

/** What one look takes at most; the first message comes whole, whatever the others then leave. */
const PAGE = 100;
const PAGE_BYTES = 128 * 1024;
const PAGE_ANSWERS = 1000;
/** A larger body is against the contract. */
const LARGEST_BODY = 1024 * 1024;
/** So many messages are written by nobody who answers; the host takes them slowly, and the container would never end. */
const MOST_WAITING = 10_000;

/**
 * Reads a page of what is new, from a database whose tables were checked. Rows are found by number or key, and a
 * value is asked for its length before it is read.
 *
 * @param claimsKey the index of the claims' primary key, as `checkTables` found it.
 * @param largestBody beyond it, `undefined` is returned and nothing was read; for whoever has to be quick.
 * @throws OutboundInvalid
 */
export function readRows(
  db: Database.Database,
  options: LookOptions,
  claimsKey: string,
  largestBody = LARGEST_BODY,
): OutboundLook | 'absent' | undefined {
  const found = readRunner(db, options);
  if (!found) return 'absent';
  const { lastMessage, lastUsage, ...runner } = found;
  const cursor = options.cursor.file === runner.file ? options.cursor : { seq: 0, usage: 0 };
  const page = lastMessage > cursor.seq ? measurePage(db, cursor.seq) : { last: 0, largest: 0, more: false };
  if (page.largest > largestBody) return undefined;
  const messages = page.last > 0 ? readMessages(db, cursor.seq, page.last, options) : [];
  const more = page.more || (messages.at(-1)?.seq ?? 0) < page.last;
  return {
    ...runner,
    messages,
    usage: lastUsage > cursor.usage ? readUsage(db, cursor.usage) : [],
    claims: more ? [] : readClaims(db, options.open, claimsKey),
    more,
  };
}

/** A value of at most so many bytes; a longer one is not read, and becomes a 0, which no check of a text lets pass. */
function short(column: string, most: number): string {
  return `iif(octet_length(${column}) > ${most}, 0, ${column})`;
}

/** A number, or anything short; what is long becomes a text, which no check of a number lets pass. */
function number(column: string): string {
  return `iif(octet_length(${column}) > 24, '', ${column})`;
}

const RUNNER = `SELECT ${number('only_row')} AS only_row, ${short('file_id', 64)} AS file, ${short('session', 64)} AS session,
    ${number('epoch')} AS epoch, ${number('control_seq')} AS controlSeq, ${number('parked')} AS parked,
    ${number('activity_at')} AS activityAt, ${number('tool_until')} AS toolUntil,
    (SELECT messages.rowid FROM messages NOT INDEXED ORDER BY messages.rowid DESC LIMIT 1) AS lastMessage,
    (SELECT usage.rowid FROM usage NOT INDEXED ORDER BY usage.rowid DESC LIMIT 1) AS lastUsage
  FROM runner NOT INDEXED WHERE rowid = 1`;

function readRunner(db: Database.Database, { session, epoch: newest }: LookOptions) {
  const row = prepareOnce<[], Record<string, unknown>>(db, RUNNER).get();
  if (!row) return undefined;
  if (row.only_row !== 1) throw new OutboundInvalid('runner.only_row is not its primary key');
  if (row.session !== session) throw new OutboundInvalid('outbound.db belongs to another session');
  const { file } = row;
  if (typeof file !== 'string' || !CONTAINER_ID_PATTERN.test(file))
    throw new OutboundInvalid('runner.file_id is not an id');
  const epoch = integer(row.epoch, 'runner.epoch');
  if (epoch > newest) throw new OutboundInvalid(`runner.epoch ${epoch} lies in the future`);
  return {
    file,
    epoch,
    controlSeq: integer(row.controlSeq, 'runner.control_seq'),
    parked: row.parked === 1,
    activityAt: time(row.activityAt),
    toolUntil: time(row.toolUntil),
    lastMessage: integer(row.lastMessage ?? 0, 'messages.seq'),
    lastUsage: integer(row.lastUsage ?? 0, 'usage.seq'),
  };
}

const LENGTHS = `SELECT rowid AS number, octet_length(body) AS bytes
  FROM messages NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE + 1}`;

/** How far one look goes: the number of its last row, and the length of its largest body. */
function measurePage(db: Database.Database, after: number): { last: number; largest: number; more: boolean } {
  const rows = prepareOnce<[number], { number: number; bytes: number | null }>(db, LENGTHS).all(after);
  const page = { last: 0, largest: 0, more: false };
  let sum = 0;
  for (const [index, { number: last, bytes }] of rows.entries()) {
    const size = bytes ?? 0;
    sum += size;
    page.more = index === PAGE || (index > 0 && sum > PAGE_BYTES);
    if (page.more) break;
    page.last = last;
    page.largest = Math.max(page.largest, size);
  }
  if (page.more && countWaiting(db, after) > MOST_WAITING)
    throw new OutboundInvalid(`more than ${MOST_WAITING} messages were written at once`);
  // Refused by what reads it; not worth a slower look.
  if (page.largest > LARGEST_BODY) page.largest = 0;
  return page;
}

function countWaiting(db: Database.Database, after: number): number {
  const sql = `SELECT count(*) FROM (SELECT 1 FROM messages NOT INDEXED WHERE rowid > ? LIMIT ${MOST_WAITING + 1})`;
  return prepareOnce<[number], number>(db, sql).pluck().get(after) ?? 0;
}

const MESSAGES = `SELECT rowid AS number, ${number('seq')} AS seq, ${short('id', 64)} AS id, ${number('epoch')} AS epoch,
    ${short('kind', 128)} AS kind, ${short('in_reply_to', 64)} AS in_reply_to, ${short('destination', 1024)} AS destination,
    ${short('body', LARGEST_BODY)} AS body, ${number('created_at')} AS created_at
  FROM messages NOT INDEXED WHERE rowid > ? AND rowid <= ? ORDER BY rowid`;

function readMessages(
  db: Database.Database,
  after: number,
  last: number,
  { cursor, epoch: newestEpoch }: LookOptions,
): OutboundMessage[] {
  let { epoch } = cursor;
  let answers = 0;
  const messages: OutboundMessage[] = [];
  for (const row of prepareOnce<[number, number], Record<string, unknown>>(db, MESSAGES).all(after, last)) {
    if (row.seq !== row.number) throw new OutboundInvalid('messages.seq is not its primary key');
    const message = parseMessage(row);
    if (message.epoch < epoch || message.epoch > newestEpoch)
      throw new OutboundInvalid(`message ${message.id} bears epoch ${message.epoch}, out of order`);
    epoch = message.epoch;
    answers += message.answers.length;
    if (messages.length > 0 && answers > PAGE_ANSWERS) break;
    messages.push(message);
  }
  return messages;
}

const USAGE = `SELECT ${number('seq')} AS seq, ${short('message_id', 64)} AS messageId, ${short('model', 200)} AS model,
    ${number('input_tokens')} AS inputTokens, ${number('output_tokens')} AS outputTokens,
    ${number('cache_read_tokens')} AS cacheReadTokens, ${number('cache_write_tokens')} AS cacheWriteTokens,
    ${number('cost_usd')} AS costUsd, ${number('duration_ms')} AS durationMs, ${number('at')} AS at
  FROM usage NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`;

function readUsage(db: Database.Database, after: number): OutboundUsage[] {
  return prepareOnce(db, USAGE).all(after).map(parseUsage);
}

const ERROR = `iif(octet_length(error) > 16384, 'The reason is longer than 16 KiB.', substr(error, 1, 2000))`;

/** Looked up one by one: the cost follows what waits, not what the container has piled up. */
function readClaims(db: Database.Database, open: LookOptions['open'], claimsKey: string): OutboundClaim[] {
  if (open.length === 0) return [];
  const find = prepareOnce(
    db,
    `SELECT ${short('status', 32)} AS status, ${ERROR} AS error, ${short('error_class', 40)} AS error_class,
       ${number('retry_at')} AS retry_at
     FROM claims INDEXED BY ${claimsKey} WHERE message_id = ? AND attempt = ? LIMIT 1`,
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
