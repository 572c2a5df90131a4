import { json } from 'node:stream/consumers';
import { oneLine } from '../channels/terminal/printable.ts';
import { createScheduleReads, type ScheduleEntry } from '../ledger/schedule-reads.ts';
import { prepareSchedules } from '../ledger/schedules.ts';
import { askHost } from './ask-host.ts';
import { ago, printTable } from './print-table.ts';
import { withLedger, withoutHostElse } from './without-host.ts';

const HEAD = ['ID', 'NEXT', 'LAST', 'WHEN', 'TIMEZONE', 'CHANNEL', 'GROUP', 'CHAT', 'SESSION', 'TEXT'];
const LONGEST_CELL = 60;

/** `berth schedules`: what agents have planned. Works without a host, too. @throws E_NO_HOST where there is no ledger either. */
export async function schedules(dataDir: string, options: { json?: boolean }): Promise<void> {
  const entries = await withoutHostElse(
    async () =>
      ((await json(await askHost(dataDir, '/schedules'))) as { schedules: ScheduleEntry[] }).schedules,
    () => withLedger(dataDir, (db) => createScheduleReads(db).schedules()),
  );
  const { stdout } = process;
  if (options.json) stdout.write(`${JSON.stringify({ schedules: entries }, null, 2)}\n`);
  else printTable(stdout, HEAD, entries.map(cells));
}

/** `berth schedules cancel`: all of them or none. @throws E_SCHEDULE_UNKNOWN, E_NO_HOST where there is no ledger either. */
export async function cancelSchedules(dataDir: string, ids: string[]): Promise<void> {
  const distinct = [...new Set(ids)];
  await withoutHostElse(
    async () => void (await json(await askHost(dataDir, '/schedules/cancel', { ids: distinct }))),
    () =>
      withLedger(dataDir, (db) => {
        const { cancel } = prepareSchedules(db);
        db.transaction(() => distinct.forEach((id) => void cancel(id))).immediate();
      }),
  );
  for (const id of distinct) process.stdout.write(`${id} is cancelled\n`);
}

function cells(entry: ScheduleEntry): string[] {
  const now = Date.now();
  const { id, dueAt, lastAt, cron, timezone, channel, group, chat, session } = entry;
  const text = entry.text.length > LONGEST_CELL ? `${entry.text.slice(0, LONGEST_CELL)}…` : entry.text;
  const last = lastAt === null ? '-' : ago(lastAt, now);
  const when = cron ?? new Date(dueAt).toISOString();
  return [id, ago(now, dueAt), last, when, timezone, channel, group, chat, session, text].map(oneLine);
}
