import { json } from 'node:stream/consumers';
import { oneLine } from '../channels/terminal/printable.ts';
import { BerthError } from '../errors.ts';
import { MOST_ENTRIES, type OutboxEntry } from '../ledger/outbox-reads.ts';
import { askHost } from './ask-host.ts';
import { orderWithoutHost, outboxWithoutHost } from './outbox-without-host.ts';
import { ago, printTable } from './print-table.ts';
import { withoutHostElse } from './without-host.ts';

const HEAD = ['ID', 'STATE', 'SINCE', 'TRIES', 'NEXT', 'CHANNEL', 'GROUP', 'CHAT', 'TEXT', 'WHY'];
const LONGEST_CELL = 60;

/**
 * `berth outbox`: what was not delivered, and what waits to be; with `all` also what is over. Works without a host, too.
 * @throws E_NO_HOST where there is no ledger either, E_DATA_LOCKED.
 */
export async function outbox(dataDir: string, options: { json?: boolean; all?: boolean }): Promise<void> {
  const all = options.all === true;
  const events = await withoutHostElse(
    async () => {
      const answer = await json(await askHost(dataDir, `/outbox?all=${all ? 1 : 0}`));
      return (answer as { events: OutboxEntry[] }).events;
    },
    () => outboxWithoutHost(dataDir, { all }),
  );
  const { stdout, stderr } = process;
  if (options.json) stdout.write(`${JSON.stringify({ events: events.map(forPrograms) }, null, 2)}\n`);
  else printTable(stdout, HEAD, events.map(cells));
  if (events.length === MOST_ENTRIES) stderr.write(`These are the newest ${MOST_ENTRIES}.\n`);
}

/**
 * `berth outbox resend` and `berth outbox drop`: all of the events or none.
 * @throws E_OUTBOX_UNKNOWN, E_OUTBOX_STATE, E_NO_HOST where there is no ledger either, E_DATA_LOCKED.
 */
export async function orderOutbox(dataDir: string, kind: 'resend' | 'drop', ids: string[]): Promise<void> {
  const events = [...new Set(ids.map(eventNumber))];
  const hasHost = await withoutHostElse(
    async () => {
      // Read to its end: an answer that nobody reads keeps the process.
      await json(await askHost(dataDir, `/outbox/${kind}`, { events }));
      return true;
    },
    async () => {
      await orderWithoutHost(dataDir, kind, events);
      return false;
    },
  );
  const done = kind === 'drop' ? 'dropped' : hasHost ? 'sent again' : 'sent again once a host runs';
  for (const n of events) process.stdout.write(`r${n} is ${done}\n`);
}

function eventNumber(id: string): number {
  const number = /^r?([1-9]\d{0,14})$/.exec(id)?.[1];
  if (number === undefined)
    throw new BerthError('E_OUTBOX_UNKNOWN', `"${oneLine(id).slice(0, 80)}" is no id of an event`);
  return Number(number);
}

function forPrograms({ n, ...entry }: OutboxEntry): object {
  return { id: `r${n}`, ...entry };
}

function cells(entry: OutboxEntry): string[] {
  const now = Date.now();
  const next = entry.dueAt === null ? '-' : ago(now, entry.dueAt);
  const why = entry.error === null ? '-' : `${entry.errorClass}: ${entry.error}`;
  const text = entry.text.length > LONGEST_CELL ? `${entry.text.slice(0, LONGEST_CELL)}…` : entry.text;
  const { n, status, at, attempts, channel, group, chat } = entry;
  return [`r${n}`, status, ago(at, now), String(attempts), next, channel, group, chat, text, why].map(
    oneLine,
  );
}
