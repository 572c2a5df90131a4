import type Database from 'better-sqlite3';

const KEY = 'epochs';

/**
 * The highest epoch of all sessions that went with their chats. A session that begins anew has the id, the folder and the
 * container's name of the old one: by its epochs alone is it told from that.
 */
export function prepareEpochFloor(db: Database.Database) {
  const read = db.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?');
  const raise = db.prepare(
    `INSERT INTO meta (key, value)
       SELECT @key, coalesce(max(l.epoch), 0) FROM leases l JOIN sessions s ON s.id = l.session WHERE s.chat_id = @chatId
     ON CONFLICT (key) DO UPDATE SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`,
  );
  return {
    /** What a new session's epochs begin above. */
    get: (): number => Number(read.get(KEY)?.value ?? 0),
    /** The chat's own sessions are about to go. */
    raise: (chatId: number): void => void raise.run({ key: KEY, chatId }),
  };
}

/** For a ledger of the past: so far on are epochs that were given since. */
export function raiseEpochFloor(db: Database.Database, by: number): void {
  db.prepare('UPDATE meta SET value = CAST(value AS INTEGER) + ? WHERE key = ?').run(by, KEY);
}
