import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { History } from './history.ts';

const EVERY_MS = 200;

/**
 * Records when the ledger first says that something has failed: a message for good, the session of a message that waits, the
 * sending of a reply. From then on somebody waits to be told.
 */
export function watchLedger(path: string, history: History): { close(): void } {
  const recorded = new Set<string>();
  /** Messages that waited while their session worked. One that comes when it has failed already may stand in line first. */
  const inGoodHope = new Set<string>();
  const timer = setInterval(look, EVERY_MS);
  return { close: () => clearInterval(timer) };

  function look(): void {
    if (!existsSync(path)) return;
    try {
      const db = new Database(path, { readonly: true, timeout: 0 });
      try {
        for (const { id } of rows<{ id: string }>(db, "SELECT id FROM inbox WHERE status = 'failed'"))
          record({ what: 'failed', id });
        for (const { id, state } of rows<{ id: string; state: string }>(
          db,
          `SELECT i.id, s.state FROM inbox i JOIN sessions s ON s.id = i.session
           WHERE i.status = 'waiting' AND i.wake = 1`,
        )) {
          if (state !== 'failed') inGoodHope.add(id);
          else if (inGoodHope.has(id)) record({ what: 'stuck', id });
        }
        const dead = "SELECT n FROM outbox WHERE status <> 'sent' AND status = 'dead' AND type = 'message'";
        for (const { n } of rows<{ n: number }>(db, dead)) record({ what: 'dead', n });
      } finally {
        db.close();
      }
    } catch {
      // Between two hosts, or on a full disk: the next look finds it.
    }
  }

  function record(happening: Parameters<History['record']>[0]): void {
    const key = JSON.stringify(happening);
    if (recorded.has(key)) return;
    recorded.add(key);
    history.record(happening);
  }
}

function rows<Row>(db: Database.Database, sql: string): Row[] {
  return db.prepare(sql).all() as Row[];
}
