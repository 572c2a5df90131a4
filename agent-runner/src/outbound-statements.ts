import type Database from 'better-sqlite3';
import type { ErrorClass } from '../../contract/bodies.ts';

/** What is ever said to `outbound.db`. */
export function prepareOutbound(db: Database.Database) {
  return {
    commit: db.transaction((work: () => void) => work()),
    claims: db.prepare<[], { id: string; attempt: number; errorClass: ErrorClass | null }>(
      'SELECT message_id AS id, attempt, error_class AS errorClass FROM claims ORDER BY attempt',
    ),
    claim: db.prepare(
      `INSERT INTO claims (message_id, attempt, epoch, status, error, error_class, retry_at, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET epoch = excluded.epoch, status = excluded.status, error = excluded.error,
         error_class = excluded.error_class, retry_at = excluded.retry_at, at = excluded.at`,
    ),
    message: db.prepare(
      `INSERT INTO messages (id, epoch, kind, in_reply_to, destination, body, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    usage: db.prepare(
      `INSERT INTO usage (message_id, epoch, model, input_tokens, output_tokens, cache_read_tokens,
         cache_write_tokens, cost_usd, duration_ms, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    recall: db.prepare<[string], { value: string }>('SELECT value FROM memory WHERE key = ?'),
    recallAll: db.prepare<[string], { key: string; value: string }>(
      'SELECT key, value FROM memory WHERE key GLOB ? ORDER BY key',
    ),
    /** All but the newest 50 of these keys, whose values are JSON with `at`. */
    forgetOld: db.prepare(
      `DELETE FROM memory WHERE key IN (SELECT key FROM memory WHERE key GLOB ?
         ORDER BY json_extract(value, '$.at') DESC LIMIT -1 OFFSET 50)`,
    ),
    remember: db.prepare(
      'INSERT INTO memory (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    ),
    forget: db.prepare('DELETE FROM memory WHERE key = ?'),
    forgetAll: db.prepare('DELETE FROM memory WHERE key NOT GLOB ? AND key NOT GLOB ?'),
    rowIds: db.prepare<[], { id: string }>('SELECT id FROM messages'),
    pruneMessages: db.prepare('DELETE FROM messages WHERE seq <= ?'),
    pruneUsage: db.prepare('DELETE FROM usage WHERE seq <= ?'),
    pruneClaims: db.prepare(`DELETE FROM claims WHERE message_id = ? AND status <> 'processing'`),
  };
}
