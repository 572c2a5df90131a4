import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { runTool, type ToolResult } from './run-tool.ts';
import { shapeOf } from './table-shape.ts';

/** Those of the ledger. */
const schema = 'src/ledger/*schema.ts';
const migrations = 'migrations/host';

/**
 * Schema and migrations agree when the SQL that ships makes the tables that drizzle believes in, and when
 * drizzle-kit, where it keeps a journal beside the SQL, would have nothing to generate.
 */
export async function checkMigrations(): Promise<ToolResult> {
  if (globSync(schema).length === 0) return { ok: true, output: '' };
  const exported = await runTool('drizzle-kit', 'export', '--dialect', 'sqlite', '--schema', schema);
  if (!exported.ok) return exported;
  let differences: string[];
  try {
    differences = compare(exported.output, shippedSql());
  } catch (error) {
    // SQL that SQLite refuses, or words of drizzle-kit that are not SQL.
    return { ok: false, output: `${error}\n${exported.output}` };
  }
  if (differences.length > 0) return { ok: false, output: differences.join('\n') };
  return existsSync(`${migrations}/meta/_journal.json`) ? checkJournal() : { ok: true, output: '' };
}

function shippedSql(): string {
  const files = globSync(`${migrations}/*.sql`).sort();
  return files.map((file) => readFileSync(file, 'utf8')).join('\n');
}

function compare(wantedSql: string, sql: string): string[] {
  const wanted = shapeOf(wantedSql);
  const shipped = shapeOf(sql);
  return [
    ...[...wanted].filter((line) => !shipped.has(line)).map((line) => `${schema} alone has    ${line}`),
    ...[...shipped].filter((line) => !wanted.has(line)).map((line) => `${migrations} alone has ${line}`),
  ];
}

/** Lets drizzle-kit generate into a copy; its exit code is 0 whatever happens, so its words have to do. */
async function checkJournal(): Promise<ToolResult> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-migrations-'));
  try {
    cpSync(migrations, folder, { recursive: true });
    // drizzle-kit puts ./ in front of the folder, so an absolute path would lead nowhere.
    const out = relative(process.cwd(), folder);
    const { output } = await runTool(
      'drizzle-kit',
      ...['generate', '--dialect', 'sqlite', '--schema', schema, '--out', out],
    );
    return { ok: output.includes('No schema changes'), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
