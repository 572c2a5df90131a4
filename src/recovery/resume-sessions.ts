import type { CollectableSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { LedgerReads, SessionRow } from '../ledger/ledger-reads.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { LeftSession } from '../ledger/session-state.ts';
import type { Logger } from '../log.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';
import { isLeftAlone } from './hold-failed.ts';

interface Dependencies {
  reads: LedgerReads;
  writer: Writer;
  clock: Clock;
  log: Logger;
  dataDir: string;
  adopted: string[];
  /** Sessions that had a container when this host looked. */
  found: ReadonlySet<string>;
  collect(session: CollectableSession): Promise<void>;
  crashRetryAt(attempt: number, now: number): number | null;
  onEvents(events: OutboxRow[]): void;
  onDue(session: string, at: number): void;
}

/**
 * At the host's start, after the adoption: what the other containers had committed is collected, what those that vanished
 * were working on counts as tried, and sessions in which somebody waits are put on the list of those to wake.
 */
export async function resumeSessions(deps: Dependencies): Promise<void> {
  const left = await deps.writer.run('recover', { now: deps.clock.now(), adopted: deps.adopted });
  await Promise.all(left.map((session) => collectLeft(deps, session)));
  for (const { session, dueAt } of deps.reads.waitingSessions()) {
    const row = deps.reads.session(session);
    if (row) deps.onDue(session, firstTry(row, dueAt, deps.clock.now()));
  }
}

async function collectLeft(deps: Dependencies, { id, group, state }: LeftSession): Promise<void> {
  const row = deps.reads.session(id);
  if (!row) return;
  const ticket = await deps.writer.run('standing', { session: id });
  const session: CollectableSession = {
    id,
    folders: sessionFolders(deps.dataDir, group, id),
    epoch: row.epoch,
    cursor: ticket.cursor,
    open: new Map(ticket.waiting.map((message) => [message.id, message])),
    early: new Set(),
    processing: new Set(),
    activeAt: 0,
    life: { activityAt: null, toolUntil: null },
    started: Promise.withResolvers(),
  };
  await deps.collect(session);
  const worked = state === 'awake' || state === 'freezing' || state === 'frozen';
  if (worked && !deps.found.has(id)) await countAttempts(deps, session);
}

/** Its container is gone, and nobody saw how: a message that takes its container with it must not be tried for ever. */
async function countAttempts(deps: Dependencies, session: CollectableSession): Promise<void> {
  const now = deps.clock.now();
  const messages = [...session.processing].flatMap((id) => {
    const attempt = session.open.get(id)?.attempt;
    return attempt === undefined ? [] : [{ id, attempt, dueAt: deps.crashRetryAt(attempt, now) }];
  });
  deps.log.warn({ session: session.id, working: messages }, 'a container vanished while no host ran');
  if (messages.length === 0) return;
  const reason = 'The container vanished while it worked on this, and no host ran that saw why';
  const told = { session: session.id, code: 'E_TURN_CRASHED', reason, now, messages };
  deps.onEvents((await deps.writer.run('afterCrash', told)).events);
}

/** A session that is left alone for a while is so across a restart of the host. */
function firstTry(row: SessionRow, dueAt: number, now: number): number {
  return isLeftAlone(row, now) ? Math.max(dueAt, row.retryAt ?? 0) : dueAt;
}
