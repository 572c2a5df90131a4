import type Database from 'better-sqlite3';

/** The command for a clock that was set back: what waits for a time would wait for so much longer, and so gets an earlier one. */
export function prepareTurnBack(db: Database.Database): (args: { byMs: number }) => void {
  const shifts = [
    "UPDATE inbox SET due_at = due_at - @byMs WHERE status = 'waiting' AND due_at > 0",
    'UPDATE sessions SET retry_at = retry_at - @byMs WHERE retry_at IS NOT NULL',
    "UPDATE outbox SET due_at = due_at - @byMs WHERE status = 'retry'",
  ].map((sql) => db.prepare(sql));
  return (args) => {
    for (const shift of shifts) shift.run(args);
  };
}
