import type Database from 'better-sqlite3';
import { OutboundInvalid } from './outbound-invalid.ts';

/** The columns of each table of `outbound.db` that the host reads, as the contract has them. */
const TABLES: Record<string, readonly string[]> = {
  messages: ['seq', 'id', 'epoch', 'kind', 'in_reply_to', 'destination', 'body', 'created_at'],
  claims: ['message_id', 'attempt', 'epoch', 'status', 'error', 'error_class', 'retry_at', 'at'],
  runner: [
    'only_row',
    'file_id',
    'session',
    'epoch',
    'control_seq',
    'parked',
    'tool',
    'tool_until',
    'activity_at',
  ],
  usage: [
    'seq',
    'message_id',
    'epoch',
    'model',
    'input_tokens',
    'output_tokens',
    'cache_read_tokens',
    'cache_write_tokens',
    'cost_usd',
    'duration_ms',
    'at',
  ],
};
const NAMES = Object.keys(TABLES)
  .map((name) => `'${name}'`)
  .join(', ');
const MOST_ENTRIES = 1000;
/** Names under which every ordinary table has its row numbers: a column of that name would hide them. */
const ROW_NUMBER = new Set(['rowid', 'oid', '_rowid_']);

interface SchemaEntry {
  type: string;
  name: string;
  rootpage: number;
  sql: string | null;
}

interface Column {
  tbl: string;
  name: string;
  hidden: number;
  pk: number;
}

/**
 * Makes sure that what is about to be read are ordinary tables with the expected columns: no views, no virtual
 * tables, no hidden or generated columns, whose reading could run whatever their maker wrote; and that rows are found by
 * their number or key, and not by searching all there are.
 *
 * @returns the name of the claims' primary key, quoted; `undefined` while a table is missing: a runner may be just making them.
 * @throws OutboundInvalid
 */
export function checkTables(db: Database.Database): string | undefined {
  // Before anything is asked about a table by its name: that would already load the module of a virtual one.
  if (!checkEntries(db)) return undefined;
  const columns = db
    .prepare<[], Column>(
      `SELECT s.name AS tbl, x.name, x.hidden, x.pk FROM sqlite_schema s, pragma_table_xinfo(s.name) x
       WHERE s.type = 'table' AND s.name IN (${NAMES}) LIMIT ${MOST_ENTRIES}`,
    )
    .all();
  for (const [table, expected] of Object.entries(TABLES)) {
    const own = columns.filter((column) => column.tbl === table);
    const hidden = own.find((column) => column.hidden !== 0);
    if (hidden) throw new OutboundInvalid(`column ${table}.${hidden.name} is hidden or generated`);
    const misnamed = own.find((column) => ROW_NUMBER.has(column.name.toLowerCase()));
    if (misnamed) throw new OutboundInvalid(`${table} has a column of the name ${misnamed.name}`);
    const missing = expected.find((column) => !own.some((present) => present.name === column));
    if (missing) throw new OutboundInvalid(`column ${table}.${missing} is missing`);
  }
  return keyOfClaims(db);
}

function checkEntries(db: Database.Database): boolean {
  const entries = db
    .prepare<[], SchemaEntry>(
      `SELECT type, name, rootpage, substr(sql, 1, 200) AS sql FROM sqlite_schema LIMIT ${MOST_ENTRIES + 1}`,
    )
    .all();
  if (entries.length > MOST_ENTRIES)
    throw new OutboundInvalid(`outbound.db has more than ${MOST_ENTRIES} tables, indices and the like`);
  for (const entry of entries) {
    if (!isWhatItSays(entry))
      throw new OutboundInvalid(`${String(entry.name).slice(0, 80)} is no table, index, view or trigger`);
  }
  let complete = true;
  for (const table of Object.keys(TABLES)) {
    const [own, another] = entries.filter(({ name }) => name === table);
    if (another || (own && (own.type !== 'table' || !(own.rootpage > 0))))
      throw new OutboundInvalid(`${table} is not an ordinary table`);
    complete &&= own !== undefined;
  }
  return complete;
}

/**
 * SQLite goes by the text that made an entry, and the columns beside it may say anything: the text has to begin with
 * what the columns say. This is how SQLite itself writes it; it leaves virtual tables no way in.
 */
function isWhatItSays({ type, name, sql }: SchemaEntry): boolean {
  if (typeof type !== 'string' || typeof name !== 'string') return false;
  // The index of a UNIQUE or PRIMARY KEY has no text: it stands in its table's.
  if (sql === null) return type === 'index';
  if (typeof sql !== 'string' || !/^(table|index|view|trigger)$/.test(type)) return false;
  const rest = /^CREATE (?:UNIQUE (?=INDEX))?(TABLE|INDEX|VIEW|TRIGGER) (.*)$/s.exec(sql);
  if (rest?.[1]?.toLowerCase() !== type) return false;
  const named = rest[2] ?? '';
  const forms = [name, `"${name}"`, `\`${name}\``, `[${name}]`, `'${name}'`];
  return forms.some((form) => named.startsWith(form) && /^[\s(]/.test(named.slice(form.length)));
}

/** Claims are found by their key or not at all: a search would read whatever their maker has piled up. */
function keyOfClaims(db: Database.Database): string {
  const columns = db
    .prepare<[], { index: string; column: string | null; coll: string }>(
      `SELECT l.name AS "index", x.name AS "column", x.coll FROM pragma_index_list('claims') l, pragma_index_xinfo(l.name) x
       WHERE l.origin = 'pk' AND l.partial = 0 AND x.key = 1 ORDER BY x.seqno LIMIT 9`,
    )
    .all();
  const key = columns.map(({ column, coll }) => `${column} ${coll}`).join(', ');
  if (key !== 'message_id BINARY, attempt BINARY')
    throw new OutboundInvalid('the primary key of claims is not (message_id, attempt)');
  return `"${columns[0]?.index.replaceAll('"', '""')}"`;
}
