import type Database from 'better-sqlite3';
import type { Receipt } from '../../contract/bodies.ts';
import type { MailboxEffects } from './rows.ts';

/** So many a session's `inbound.db` keeps, says the contract. */
const KEPT = 1000;

/** A row of the outbox has the outcome that its agent is told; `uncertain` may still become `sent`. */
const OUTCOMES = "status IN ('sent', 'uncertain', 'dead', 'dropped')";

/**
 * What agents are told of the rows that they sent: derived from the outbox, with a table beside it for rows that never
 * got there. A text that was sent without one of its files is `sent`, and the detail says what is wrong with the file.
 * A silent row has no receipt: nothing was to be sent.
 */
export function prepareReceipts(db: Database.Database) {
  const columns = `session, row_id AS outId,
    CASE WHEN status = 'sent' THEN 'sent'
      WHEN status = 'uncertain' OR (status = 'dropped' AND error_class = 'unknown-outcome') THEN 'uncertain'
      ELSE 'failed' END AS status,
    CASE status
      WHEN 'sent' THEN (SELECT f.reason FROM outbox f WHERE f.session = o.session AND f.row_id = 'file:' || o.row_id)
      WHEN 'dropped' THEN 'the operator dropped it' ELSE error END AS detail,
    platform_id AS platformId, coalesce(sent_at, ended_at) AS at`;
  const one = db.prepare<[number], Receipt & { session: string }>(
    `SELECT ${columns} FROM outbox o WHERE n = ? AND type = 'message' AND ${OUTCOMES}`,
  );
  const newest = db.prepare<[string], Receipt>(
    `SELECT ${columns} FROM outbox o WHERE session = ? AND type = 'message' AND ${OUTCOMES} ORDER BY n DESC LIMIT ${KEPT}`,
  );
  const refused = db.prepare<[string], Receipt>(
    `SELECT row_id AS outId, 'refused' AS status, reason AS detail, NULL AS platformId, at FROM refusals
     WHERE session = ? ORDER BY n DESC LIMIT ${KEPT}`,
  );
  const refuse = db.prepare(
    'INSERT INTO refusals (session, row_id, reason, at) VALUES (@session, @outId, @detail, @at)',
  );
  const forget = db.prepare(
    `DELETE FROM refusals WHERE session = @session AND n <=
       (SELECT n FROM refusals WHERE session = @session ORDER BY n DESC LIMIT 1 OFFSET ${KEPT})`,
  );

  return {
    /** Tells the agent what became of this event, if it is one of an agent. */
    give(n: number, effects: MailboxEffects): void {
      const found = one.get(n);
      if (!found) return;
      const { session, ...receipt } = found;
      effects.receipt(session, receipt);
    },

    /** A row that goes nowhere, and why. */
    refuse(
      args: { session: string; outId: string; detail: string | null; at: number },
      effects: MailboxEffects,
    ): void {
      refuse.run(args);
      forget.run(args);
      const { session, ...rest } = args;
      effects.receipt(session, { ...rest, status: 'refused', platformId: null });
    },

    /** The newest receipts of a session, oldest first: what its `inbound.db` should hold. */
    ofSession(session: string): Receipt[] {
      const all = [...newest.all(session), ...refused.all(session)];
      return all.sort((one, other) => one.at - other.at).slice(-KEPT);
    },
  };
}
