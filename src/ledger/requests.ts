import type Database from 'better-sqlite3';
import { newId } from '../../contract/ids.ts';
import { asBerthError, type ErrorCode } from '../errors.ts';
import { prepareEnqueue } from './enqueue.ts';
import { prepareReceipts } from './receipts.ts';
import type { MailboxEffects, WaitingMessage } from './rows.ts';
import { type NewSchedule, prepareSchedules } from './schedules.ts';

/** What a container asks of the host, as `requests/` judged it. */
export type Order =
  | { do: 'schedule'; schedule: NewSchedule }
  | { do: 'schedules' }
  | { do: 'cancel_schedule'; id: string }
  | { refuse: { code: ErrorCode; message: string } };

/** So many answers may wait for a runner that does not take them; past that, requests are refused by receipt alone. */
const MOST_WAITING = 200;

interface Asked {
  session: string;
  /** Id of the container's row. */
  rowId: string;
  /** Where the turn's messages come from. */
  chatId: number;
  thread: string | null;
  now: number;
}

/** Carries out requests of containers and puts the answers into their sessions, in the transaction that takes the rows. */
export function prepareRequests(db: Database.Database) {
  const enqueue = prepareEnqueue(db);
  const schedules = prepareSchedules(db);
  const receipts = prepareReceipts(db);
  const waiting = db.prepare<[string], { n: number }>(
    "SELECT count(*) AS n FROM inbox WHERE session = ? AND status = 'waiting' AND kind = 'system'",
  );

  /** @returns the answer, which waits for the runner; `undefined` where too many do. */
  return function answer(asked: Asked, order: Order, effects: MailboxEffects): WaitingMessage | undefined {
    const { session, rowId, chatId, thread, now } = asked;
    const outcome = carryOut(asked, order);
    const full = (waiting.get(session)?.n ?? 0) >= MOST_WAITING;
    if ('error' in outcome || full) {
      const { code, message } =
        'error' in outcome
          ? outcome.error
          : { code: 'E_REQUEST_LIMIT', message: `${MOST_WAITING} answers were not taken` };
      receipts.refuse({ session, outId: rowId, detail: `${code}: ${message}`, at: now }, effects);
    }
    if (full) return undefined;
    const id = newId('a');
    const body = JSON.stringify({ answers: rowId, ok: !('error' in outcome), ...outcome });
    const row = { message: id, chatId, thread, dedup: null, contentHash: '', kind: 'system', body, now };
    enqueue(session, { ...row, wake: false, forAgent: true }, effects);
    return { id, attempt: 1, wake: false, dueAt: now };
  };

  function carryOut(
    asked: Asked,
    order: Order,
  ): { result: unknown } | { error: { code: string; message: string } } {
    if ('refuse' in order) return { error: order.refuse };
    try {
      if (order.do === 'schedules') return { result: schedules.list(asked.session) };
      if (order.do === 'schedule') return { result: schedules.add({ ...asked, ...order.schedule }) };
      schedules.cancel(order.id, asked.session);
      return { result: { id: order.id } };
    } catch (error) {
      const { code, message } = asBerthError(error, 'E_LEDGER');
      if (code === 'E_LEDGER' || code === 'E_DISK_FULL') throw error;
      return { error: { code, message } };
    }
  }
}
