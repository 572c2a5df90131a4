import type { CollectableSession } from '../awake/awake-session.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  reads: LedgerReads;
  writer: Writer;
  dataDir: string;
  /** Sessions whose containers an earlier host left behind. */
  left: { id: string; group: string }[];
  collect(session: CollectableSession): Promise<void>;
  onDue(session: string, at: number): void;
}

/**
 * At the host's start: what earlier containers committed is collected, and sessions in which somebody waits are
 * put on the list of those to wake.
 */
export async function resumeSessions(deps: Dependencies): Promise<void> {
  for (const { id, group } of deps.left) await collectLeft(deps, id, group);
  for (const { session, dueAt } of deps.reads.waitingSessions()) deps.onDue(session, dueAt);
}

async function collectLeft(deps: Dependencies, id: string, folder: string): Promise<void> {
  const row = deps.reads.session(id);
  if (!row) return;
  const ticket = await deps.writer.run('standing', { session: id });
  await deps.collect({
    id,
    folders: sessionFolders(deps.dataDir, folder, id),
    epoch: row.epoch,
    cursor: ticket.cursor,
    open: new Map(ticket.waiting.map((message) => [message.id, message])),
    early: new Set(),
    processing: new Set(),
    activeAt: 0,
    started: Promise.withResolvers(),
  });
}
