import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { CLAIM_STATUSES, ERROR_CLASSES } from '../contract/bodies.ts';
import { CONTRACT_VARIABLES } from '../contract/environment.ts';
import { CONTAINER_ID_PATTERN } from '../contract/ids.ts';
import { CONTRACT_LABEL, CONTRACT_VERSION } from '../contract/version.ts';
import { toHostEnvironment } from '../src/engines/process-paths.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { noQuota } from '../src/mailbox/disk-quota.ts';
import { OutboundInvalid } from '../src/mailbox/outbound-invalid.ts';
import { readOutbound } from '../src/mailbox/read-outbound.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { containerSpec } from '../src/wake/container-spec.ts';
import { prepareFolders, sessionMounts } from '../src/wake/prepare-folders.ts';
import { wayOut } from '../src/wake/way-out.ts';

const root = new URL('../', import.meta.url);
const page = readFileSync(new URL('docs/contract.md', root), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'berth-contract-'));
afterAll(() => rmSync(folder, { recursive: true }));

const kinds = ['inbound', 'outbound'] as const;
const host = { uid: process.getuid?.() ?? 1000, gid: process.getgid?.() ?? 1000 };
const group = parseGroup('name: Demo', { folder: 'demo', file: 'demo/group.yaml', timezone: 'UTC' });

describe.each(kinds)('%s.db', (kind) => {
  test('the page and the migrations make the same tables', () => {
    const tables = tablesOf(sqlOnPage(kind));
    expect(Object.keys(tables).length).toBeGreaterThanOrEqual(5);
    expect(tablesOf(shippedSql(kind))).toEqual(tables);
  });
});

describe('outbound.db as the page has it', () => {
  const columns = Object.entries(tablesOf(sqlOnPage('outbound')))
    .filter(([table]) => table !== 'memory' && table !== 'sqlite_sequence') // the runner's own, and SQLite's
    .flatMap(([table, found]) => found.map(({ name }) => ({ table, name })));

  test('is what the host reads', () => {
    expect(look(makeOutbound('whole'))).toMatchObject({ file: 'f_1', epoch: 1, parked: false, messages: [] });
  });

  test.each(columns)('fails its session without $table.$name', ({ table, name }) => {
    const path = makeOutbound(`${table}-${name}`, `ALTER TABLE ${table} RENAME COLUMN ${name} TO other`);
    expect(() => look(path)).toThrow(OutboundInvalid);
  });
});

describe('words', () => {
  test('the version, the label and the ids are those of the code', () => {
    expect(page).toContain(`# The session contract, version ${CONTRACT_VERSION}\n`);
    expect(page).toContain(`\`PRAGMA user_version=${CONTRACT_VERSION}\``);
    expect(page).toContain(`\`${CONTRACT_LABEL}\``);
    expect(page).toContain(`\`${CONTAINER_ID_PATTERN.source}\``);
  });

  test('the statuses and error classes of claims are those of the code', () => {
    const sql = sqlOnPage('outbound');
    expect(sql).toContain(`status TEXT NOT NULL,            -- ${CLAIM_STATUSES.join(' | ')}\n`);
    expect(sql).toContain(`error_class TEXT,                -- ${ERROR_CLASSES.join(' | ')}\n`);
  });

  test('the table of variables has what a runner gets, and nothing else', async () => {
    const mounts = await prepare();
    const spec = containerSpec({
      wayOut: wayOut('/net'),
      access: { environment: {}, files: {} },
      ...{ install: 'abc', session: 's_1', epoch: 1, image: 'image', user: host },
      ...{ group, mounts, stopGraceMs: 1, maxFileBytes: 1 },
    });
    const given = new Set([
      ...Object.keys(spec.environment),
      ...Object.keys(toHostEnvironment(spec.environment, mounts)),
    ]);
    const listed = firstCells('Environment').flatMap(quoted).sort();
    expect(listed).toEqual([...given].sort());
    expect(listed.filter((name) => name.startsWith('BERTH_'))).toEqual([...CONTRACT_VARIABLES].sort());
  });

  test('the table of folders has every mount', async () => {
    const listed = section('Folder of a session');
    for (const { target } of [...(await prepare()), ...wayOut('/net').mounts])
      expect(listed).toContain(`\`${target}\``);
  });
});

async function prepare() {
  const groupsDir = join(folder, 'groups');
  const folders = sessionFolders(join(folder, 'data'), 'demo', 's_1');
  await prepareFolders({ groupsDir, owner: null, quota: noQuota }, group, folders);
  return sessionMounts(groupsDir, group, folders);
}

function section(title: string): string {
  const [, text] = page.split(`\n## ${title}\n`);
  if (text === undefined) throw new Error(`docs/contract.md has no section "${title}"`);
  return text.split('\n## ', 1)[0] ?? '';
}

function sqlOnPage(kind: string): string {
  const [, sql] = /```sql\n([\s\S]*?)```/.exec(section(`${kind}.db`)) ?? [];
  if (sql === undefined) throw new Error(`docs/contract.md has no SQL of ${kind}.db`);
  return sql;
}

function shippedSql(kind: string): string {
  const path = new URL(`migrations/${kind}/`, root);
  const names = readdirSync(path).filter((name) => name.endsWith('.sql'));
  return names
    .sort()
    .map((name) => readFileSync(new URL(name, path), 'utf8'))
    .join('\n');
}

interface Column {
  name: string;
  type: string;
  notnull: number;
  dflt_value: string | null;
  pk: number;
  hidden: number;
  unique: boolean;
}

/** Columns by table and name, not by place: a later migration can only append. */
function tablesOf(sql: string): Record<string, Column[]> {
  const db = new Database(':memory:');
  try {
    db.exec(sql);
    const names = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all();
    // `sqlite_sequence` among them says that a table has AUTOINCREMENT.
    return Object.fromEntries((names as string[]).map((table) => [table, columnsOf(db, table)]));
  } finally {
    db.close();
  }
}

function columnsOf(db: Database.Database, table: string): Column[] {
  const unique = db
    .prepare(
      `SELECT i.name FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE l."unique" AND l.origin = 'u'`,
    )
    .pluck()
    .all(table);
  const columns = db
    .prepare<[string], Column>(
      'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY name',
    )
    .all(table);
  return columns.map((column) => ({ ...column, unique: unique.includes(column.name) }));
}

function makeOutbound(name: string, change = ''): string {
  mkdirSync(join(folder, name, 'out'), { recursive: true });
  const path = join(folder, name, 'out', 'outbound.db');
  const db = new Database(path);
  db.exec(sqlOnPage('outbound'));
  db.exec(
    "INSERT INTO runner (only_row, file_id, session, epoch, activity_at) VALUES (1, 'f_1', 's_1', 1, 0)",
  );
  db.exec(change);
  db.close();
  return path;
}

function look(path: string) {
  const cursor = { file: null, seq: 0, usage: 0, epoch: 0 };
  return readOutbound({ out: dirname(path), session: 's_1', epoch: 1, cursor, open: [['m_1', 1]] });
}

/** The first cell of each row of a section's table. */
function firstCells(title: string): string[] {
  const rows = section(title).split('\n');
  return rows.filter((line) => line.startsWith('| `')).map((line) => line.split(' | ')[0] ?? '');
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? '');
}
