import { readdirSync, readFileSync } from 'node:fs';
import type Database from 'better-sqlite3';

/**
 * Brings a database up to date with `migrations/<kind>/*.sql`, in the order of their names and each in
 * a transaction of its own; `PRAGMA user_version` counts what has been applied. Forward only.
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
    if (index < applied) continue;
    const sql = readFileSync(new URL(file, folder), 'utf8');
    db.transaction(() => {
      db.exec(sql);
      db.pragma(`user_version = ${index + 1}`);
    }).immediate();
  }
}
