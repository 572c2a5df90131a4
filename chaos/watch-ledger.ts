import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { History } from './history.ts';

const EVERY_MS = 200;

/** Records when the ledger first says that a message has failed for good: from then on somebody waits to be told. */
export function watchLedger(path: string, history: History): { close(): void } {
  const seen = new Set<string>();
  const timer = setInterval(look, EVERY_MS);
  return { close: () => clearInterval(timer) };

  function look(): void {
    if (!existsSync(path)) return;
    try {
      const db = new Database(path, { readonly: true, timeout: 0 });
      try {
        const rows = db.prepare("SELECT id FROM inbox WHERE status = 'failed'").all() as { id: string }[];
        for (const { id } of rows) {
          if (seen.has(id)) continue;
          seen.add(id);
          history.record({ what: 'failed', id });
        }
      } finally {
        db.close();
      }
    } catch {
      // Between two hosts, or on a full disk: the next look finds it.
    }
  }
}
