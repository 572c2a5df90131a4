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

/**
 * Makes sure that what is about to be read are ordinary tables with the expected columns: no views, no virtual
 * tables, no hidden or generated columns, whose reading could run whatever their maker wrote.
 *
 * @returns the tables that are not there: a runner may make them one by one.
 * @throws OutboundInvalid
 */
export function missingTables(db: Database.Database): string[] {
  const kinds = db
    .prepare<[], { name: string; type: string; ordinary: number }>(
      `SELECT name, type, (type = 'table' AND rootpage > 0) AS ordinary FROM sqlite_schema WHERE name IN (${NAMES}) LIMIT 9`,
    )
    .all();
  if (kinds.length === 0) return Object.keys(TABLES);
  const columns = db
    .prepare<[], { tbl: string; name: string; hidden: number }>(
      `SELECT s.name AS tbl, x.name, x.hidden FROM sqlite_schema s, pragma_table_xinfo(s.name) x WHERE s.name IN (${NAMES}) LIMIT 200`,
    )
    .all();
  const missing: string[] = [];
  for (const [name, expected] of Object.entries(TABLES)) {
    const kind = kinds.filter((row) => row.name === name);
    if (kind.length === 0) {
      missing.push(name);
      continue;
    }
    if (kind.length !== 1 || kind[0]?.ordinary !== 1)
      throw new OutboundInvalid(`${name} is not an ordinary table`);
    const own = columns.filter((column) => column.tbl === name);
    const hidden = own.find((column) => column.hidden !== 0);
    if (hidden) throw new OutboundInvalid(`column ${name}.${hidden.name} is hidden or generated`);
    const lacking = expected.find((column) => !own.some((present) => present.name === column));
    if (lacking) throw new OutboundInvalid(`column ${name}.${lacking} is missing`);
  }
  return missing;
}
