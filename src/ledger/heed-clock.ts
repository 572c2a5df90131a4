import type Database from 'better-sqlite3';

/** Both clocks of the host at one moment, in milliseconds (`Clock`). */
export interface ClockReading {
  now: number;
  monotonic: number;
}

const KEY = 'clock';
/** Less is the daily work of whoever keeps the clock right. */
export const LEAST_JUMP_MS = 500;

/**
 * By how much the wall clock was set back between two readings, at least; 0: it was not. The second reading may be that of a
 * later host, and of a machine that was started anew since: then no less time has passed than the machine has been up.
 */
function setBackBy(before: ClockReading, after: ClockReading): number {
  const sameStart = after.monotonic >= before.monotonic;
  const passed = sameStart ? after.monotonic - before.monotonic : after.monotonic;
  const byMs = Math.round(before.now + passed - after.now);
  return byMs < LEAST_JUMP_MS ? 0 : byMs;
}

/**
 * The command that keeps a reading of the clocks, and brings forward what waits for a time if the clock was set back since the last
 * one, in the same transaction: it would wait for so much longer. @returns by how many milliseconds.
 */
export function prepareHeedClock(db: Database.Database): (reading: ClockReading) => number {
  const known = db.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?');
  const keep = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  const shifts = [
    "UPDATE inbox SET due_at = due_at - @byMs WHERE status = 'waiting' AND due_at > 0",
    'UPDATE sessions SET retry_at = retry_at - @byMs WHERE retry_at IS NOT NULL',
    "UPDATE outbox SET due_at = due_at - @byMs WHERE status = 'retry'",
  ].map((sql) => db.prepare(sql));
  return (reading) => {
    const before = known.get(KEY)?.value;
    const byMs = before ? setBackBy(JSON.parse(before), reading) : 0;
    if (byMs > 0) for (const shift of shifts) shift.run({ byMs });
    keep.run(KEY, JSON.stringify(reading));
    return byMs;
  };
}
