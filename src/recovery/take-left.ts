import type { CollectableSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';

export interface TakeLeftDependencies {
  reads: LedgerReads;
  writer: Writer;
  clock: Clock;
  log: Logger;
  dataDir: string;
  collect(session: CollectableSession): Promise<unknown>;
  crashRetryAt(attempt: number, now: number): number | null;
  onEvents(events: OutboxRow[]): void;
}

/**
 * Takes in what a container that is gone had committed, in a session that has no other.
 * @param reason what it was still working on counts as tried, for this reason; none: it does not.
 */
export async function takeLeft(deps: TakeLeftDependencies, id: string, reason?: string): Promise<void> {
  const row = deps.reads.session(id);
  if (!row) return;
  const ticket = await deps.writer.run('standing', { session: id });
  const session: CollectableSession = {
    id,
    folders: sessionFolders(deps.dataDir, row.group, id),
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
  if (reason !== undefined) await countAttempts(deps, session, reason);
}

/** A message that takes its container with it must not be tried for ever. */
async function countAttempts(
  deps: TakeLeftDependencies,
  session: CollectableSession,
  reason: string,
): Promise<void> {
  const now = deps.clock.now();
  const messages = [...session.processing].flatMap((id) => {
    const attempt = session.open.get(id)?.attempt;
    return attempt === undefined ? [] : [{ id, attempt, dueAt: deps.crashRetryAt(attempt, now) }];
  });
  deps.log.warn({ session: session.id, working: messages, reason }, 'a container went unseen');
  if (messages.length === 0) return;
  const told = { session: session.id, code: 'E_TURN_CRASHED', reason, now, messages };
  deps.onEvents((await deps.writer.run('afterCrash', told)).events);
}

/**
 * Sessions whose container nobody saw to its end: it may have lived on, or its last look took too long. What it was at is known only when
 * it is surely gone, and before its successor starts.
 */
export function createUnseen(deps: TakeLeftDependencies) {
  const unseen = new Map<string, { reason: string; looking: Promise<unknown> }>();

  return {
    /** @param looking a look at what it wrote that is under way. */
    note(session: string, reason: string, looking: Promise<unknown>): void {
      unseen.set(session, { reason, looking });
    },

    /** To be called when no container of the session lives. */
    async settle(session: string): Promise<void> {
      const known = unseen.get(session);
      if (!known) return;
      await known.looking;
      await takeLeft(deps, session, known.reason);
      unseen.delete(session);
    },
  };
}
