import { json } from 'node:stream/consumers';
import { oneLine } from '../channels/terminal/printable.ts';
import type { TrafficLine } from '../network/traffic-book.ts';
import { askHost } from './ask-host.ts';
import { ago, printTable } from './print-table.ts';

/**
 * `berth network <group>`: what the group's containers asked the host's proxy for, the newest first.
 * @throws E_NO_HOST, E_GROUP_UNKNOWN.
 */
export async function network(dataDir: string, group: string, options: { json?: boolean }): Promise<void> {
  const answer = await json(await askHost(dataDir, `/network?group=${encodeURIComponent(group)}`));
  const { traffic } = answer as { traffic: TrafficLine[] };
  const { stdout } = process;
  if (options.json) return void stdout.write(`${JSON.stringify({ traffic }, null, 2)}\n`);
  const now = Date.now();
  printTable(
    stdout,
    ['LAST', 'OUTCOME', 'HOST', 'PORT', 'TIMES', 'WHY'],
    traffic.map(({ host, port, outcome, reason, count, lastAt }) =>
      [ago(lastAt, now), outcome, host, port === 0 ? '-' : String(port), String(count), reason ?? '-'].map(
        oneLine,
      ),
    ),
  );
}
