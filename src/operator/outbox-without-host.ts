import { prepareOutboxOrders } from '../ledger/outbox-orders.ts';
import { createOutboxReads, type OutboxEntry } from '../ledger/outbox-reads.ts';
import { changeLedger, withLedger } from './without-host.ts';

/** Nothing is told to mailboxes: they are brought in line with the ledger when their session wakes. */
const nothing = () => undefined;
const noEffects = {
  put: nothing,
  withdraw: nothing,
  settle: nothing,
  receipt: nothing,
  abort: nothing,
  describe: nothing,
  destinations: nothing,
};

/** The outbox of a data folder that no host holds. @throws E_NO_HOST where there is no ledger, E_DATA_LOCKED. */
export function outboxWithoutHost(dataDir: string, options: { all: boolean }): Promise<OutboxEntry[]> {
  return withLedger(dataDir, (db) => createOutboxReads(db).outbox(options));
}

/** An order of the operator's; the next host acts upon it. @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE, and as above. */
export async function orderWithoutHost(
  dataDir: string,
  kind: 'resend' | 'drop',
  events: number[],
): Promise<void> {
  await changeLedger(dataDir, (db) => prepareOutboxOrders(db)[kind]({ events, now: Date.now() }, noEffects));
}
