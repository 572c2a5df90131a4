import type Database from 'better-sqlite3';
import { BerthError } from '../errors.ts';
import { prepareReceipts } from './receipts.ts';
import type { MailboxEffects, OutboxRow, OutboxState } from './rows.ts';
import { prepareNotices } from './unsent-notices.ts';

const RESENDABLE: readonly OutboxState[] = ['dead', 'uncertain', 'dropped', 'retry'];
const DROPPABLE: readonly OutboxState[] = ['dead', 'uncertain', 'pending', 'retry'];
const DROPPED = 'the operator dropped it';

/** What the operator can do with events, all of them or none. */
export function prepareOutboxOrders(db: Database.Database) {
  const receipts = prepareReceipts(db);
  const tell = prepareNotices(db);
  const statusOf = db.prepare<[number], { status: OutboxState }>('SELECT status FROM outbox WHERE n = ?');
  const resend = db.prepare(
    `UPDATE outbox SET status = 'pending', attempts = 0, due_at = NULL, ended_at = NULL, resent_at = @now WHERE n = @n`,
  );
  const drop = db.prepare(
    "UPDATE outbox SET status = 'dropped', due_at = NULL, ended_at = @now WHERE n = @n",
  );

  return {
    /** Puts events to `pending`, with their tries and their age counted anew. @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE. */
    resend(args: { events: number[]; now: number }): [] {
      check(args.events, RESENDABLE, 'sent again');
      for (const n of args.events) resend.run({ n, now: args.now });
      return [];
    },

    /**
     * Gives events up. Where somebody still waited for one, agent and chat are told.
     * @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE.
     */
    drop(args: { events: number[]; now: number }, effects: MailboxEffects): OutboxRow[] {
      const states = check(args.events, DROPPABLE, 'dropped');
      return args.events.flatMap((n, index) => {
        drop.run({ n, now: args.now });
        receipts.give(n, effects);
        const waited = states[index] === 'pending' || states[index] === 'retry';
        return waited ? tell({ n, state: 'dead', error: DROPPED, now: args.now }) : [];
      });
    },
  };

  function check(events: number[], allowed: readonly OutboxState[], done: string): OutboxState[] {
    const states = events.map((n) => {
      const row = statusOf.get(n);
      if (!row) throw new BerthError('E_OUTBOX_UNKNOWN', `there is no event "r${n}"`);
      return row.status;
    });
    const wrong = events.flatMap((n, index) => {
      const status = states[index] ?? 'sent';
      return allowed.includes(status) ? [] : [`r${n} is ${status}`];
    });
    if (wrong.length === 0) return states;
    throw new BerthError(
      'E_OUTBOX_STATE',
      `${wrong.join(', ')}: only what is ${allowed.join(', ')} can be ${done}, so that nothing was done`,
    );
  }
}
