import type Database from 'better-sqlite3';
import { prepareReceipts } from './receipts.ts';
import type { MailboxEffects, OutboxRow, SentMark } from './rows.ts';
import { prepareNotices } from './unsent-notices.ts';

/*
 * What becomes of an event on its way to its platform. Every change is `UPDATE … WHERE status IN …`: the row is the
 * lock, and who changes nothing has come too late.
 *
 *   pending    to be sent as soon as nothing of its chat is in front of it. Left for `sending` where the channel takes no
 *              key (see below), else for what the send came to.
 *   sending    a call without a key is under way, or may have been when a host died: durable before the call, so that no
 *              host ever makes it twice. A new event of such a channel is put here in the transaction that collects it, if
 *              nothing of its chat is in front. Left for what the send came to; for `uncertain` by a host that finds
 *              it at its start; back for `pending` when a host stops before the call.
 *   sent       the platform has taken it. The end.
 *   retry      the platform has not taken it, and may at `due_at`; what comes behind it in its chat waits. Left like
 *              `pending`.
 *   uncertain  nobody knows whether the platform has taken it, and to send it again might double it. It blocks nothing. The
 *              agent has a receipt, the chat an event `E_SEND_UNCERTAIN`. Left for `sent` when the platform's word
 *              comes late, for `pending` by `berth outbox resend`, for `dropped` by `berth outbox drop`.
 *   dead       the platform does not want it, or has not taken it for a day. As above, with `E_SEND_FAILED`.
 *   dropped    the operator does not want it sent. Left for `pending` when he thinks better of it.
 *
 * Channels that take a key need no `sending`: the same event again under the same key does no harm.
 */

/** What a failed send leads to. */
export interface FailedSend {
  n: number;
  to: 'retry' | 'uncertain' | 'dead';
  /** Of `retry`: Unix milliseconds. */
  dueAt: number | null;
  errorClass: string;
  /** What happened, in words for people. */
  error: string;
  now: number;
}

/** The commands that change the state of an event. */
export function prepareOutboxStates(db: Database.Database) {
  const tell = prepareNotices(db);
  const receipts = prepareReceipts(db);
  const begin = db.prepare(
    "UPDATE outbox SET status = 'sending' WHERE n = ? AND status IN ('pending', 'retry')",
  );
  const putBack = db.prepare("UPDATE outbox SET status = 'pending' WHERE n = ? AND status = 'sending'");
  const sent = db.prepare(
    `UPDATE outbox SET status = 'sent', sent_at = @now, platform_id = @platformId, due_at = NULL, ended_at = NULL
     WHERE n = @n AND status IN ('pending', 'sending', 'retry', 'uncertain')`,
  );
  const fail = db.prepare(
    `UPDATE outbox SET status = @to, attempts = attempts + 1, due_at = @dueAt, error_class = @errorClass, error = @error,
       ended_at = @endedAt
     WHERE n = @n AND status IN ('pending', 'sending', 'retry')`,
  );

  return {
    /** pending or retry → sending. False: it is no longer to be sent. */
    beginSend: (args: { n: number }): boolean => begin.run(args.n).changes > 0,

    /** sending → pending: the calls were never made. */
    putBack(args: { events: number[] }): void {
      for (const n of args.events) putBack.run(n);
    },

    /** → sent, with receipts. */
    markSent(args: { events: readonly SentMark[]; now: number }, effects: MailboxEffects): void {
      for (const mark of args.events) {
        if (sent.run({ ...mark, now: args.now }).changes > 0) receipts.give(mark.n, effects);
      }
    },

    /** → retry, uncertain or dead; of the latter two the agent and the chat are told. @returns the events that tell. */
    failSend(args: FailedSend, effects: MailboxEffects): OutboxRow[] {
      const { n, to, dueAt, errorClass, error, now } = args;
      const endedAt = to === 'retry' ? null : now;
      if (fail.run({ n, to, dueAt, errorClass, error, endedAt }).changes === 0 || to === 'retry') return [];
      receipts.give(n, effects);
      return tell({ n, state: to, error, now });
    },
  };
}
