import { json } from 'node:stream/consumers';
import { oneLine } from '../channels/terminal/printable.ts';
import type { ApprovalEntry } from '../ledger/approvals.ts';
import { askHost } from './ask-host.ts';
import { ago, printTable } from './print-table.ts';

const HEAD = ['ID', 'STATE', 'AGE', 'LEFT', 'GROUP', 'AGENT', 'METHOD', 'URL', 'BODY'];
const LONGEST_CELL = 100;

/** `berth approvals`: what waits for a person, the newest first; with `all` also what is over. @throws E_NO_HOST. */
export async function approvals(dataDir: string, options: { json?: boolean; all?: boolean }): Promise<void> {
  const answer = await json(await askHost(dataDir, `/approvals?all=${options.all ? 1 : 0}`));
  const { approvals: entries } = answer as { approvals: ApprovalEntry[] };
  const { stdout } = process;
  if (options.json) stdout.write(`${JSON.stringify({ approvals: entries }, null, 2)}\n`);
  else printApprovals(stdout, entries);
}

/**
 * A table that is cut to a terminal's measure, and beneath it, whole, what was cut of what waits: nobody is to approve what an
 * agent has pushed out of sight. Nothing is cut in a pipe.
 */
export function printApprovals(
  out: NodeJS.WritableStream & { isTTY?: boolean },
  entries: ApprovalEntry[],
): void {
  const rows = entries.map(cells);
  const shown = out.isTTY ? rows.map((row) => row.map(cut)) : rows;
  printTable(out, HEAD, shown);
  if (!out.isTTY) return;
  for (const [index, row] of rows.entries()) {
    if (entries[index]?.status !== 'waiting' || row.every((cell) => cut(cell) === cell)) continue;
    out.write(`\n${row[0]}: ${row[6]} ${row[7]}\n${row[8]}\n`);
  }
}

function cut(cell: string): string {
  return cell.length > LONGEST_CELL ? `${cell.slice(0, LONGEST_CELL)}…` : cell;
}

/** `berth approvals approve` and `berth approvals deny`. @throws E_NO_HOST, E_APPROVAL_UNKNOWN, E_APPROVAL_OVER. */
export async function decide(dataDir: string, kind: 'approve' | 'deny', id: string): Promise<void> {
  // Read to its end: an answer that nobody reads keeps the process.
  await json(await askHost(dataDir, `/approvals/${kind}`, { id }));
  process.stdout.write(`${oneLine(id)} is ${kind === 'approve' ? 'approved' : 'denied'}\n`);
}

function cells({
  id,
  status,
  createdAt,
  expiresAt,
  group,
  agent,
  method,
  url,
  preview,
}: ApprovalEntry): string[] {
  const now = Date.now();
  const left = status === 'waiting' ? ago(now, expiresAt) : '-';
  const whole = [id, status, ago(createdAt, now), left, group ?? '-', agent, method, url, preview ?? '-'];
  return whole.map(oneLine);
}
