import { readdirSync, readFileSync } from 'node:fs';
import type Database from 'better-sqlite3';

/**
 * Brings a database up to date with `migrations/<kind>/*.sql`, in the order of their names and each in
 * a transaction of its own; `PRAGMA user_version` counts what has been applied. Forward only.
 *
 * The tables of an `outbound.db` may be another runner's: what is missing of them is made whatever the number says. What is there
 * stays as it is, fit or not.
 *
 * Works alike from the sources and from the bundle in the image, where `migrations/` lies beside the
 * bundle's folder.
 *
 * @throws Error when the file was made by a newer version than this one.
 */
export function migrate(db: Database.Database, kind: 'host' | 'inbound' | 'outbound'): void {
  const applied = db.pragma('user_version', { simple: true }) as number;
  const folder = new URL(`../migrations/${kind}/`, import.meta.url);
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  if (applied > files.length) {
    throw new Error(`${kind} database has version ${applied}, this program knows ${files.length}`);
  }
  for (const [index, file] of files.entries()) {
    const mends = kind === 'outbound' && index === 0;
    if (index < applied && !mends) continue;
    const sql = readFileSync(new URL(file, folder), 'utf8');
    db.transaction(() => {
      db.exec(mends ? sql.replace(/^CREATE TABLE /gm, 'CREATE TABLE IF NOT EXISTS ') : sql);
      if (index >= applied) db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
