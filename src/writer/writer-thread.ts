import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { openLedgerForWriting } from '../ledger/open-database.ts';
import { takeWork } from '../take-work.ts';
import { createCommit } from './commit-together.ts';
import { createMailboxes } from './mailboxes.ts';
import type { Reply, Request } from './protocol.ts';

/*
 * The one thread that commits. It takes all requests that wait, runs them in one transaction of `host.db` (each in a
 * savepoint of its own, so that one that is refused takes nobody with it), commits, answers, and then writes the
 * inbound files that the commit calls for. What waits together is so committed together, and no fsync ever
 * stands on the main thread.
 */

const LARGEST_BATCH = 256;
/** How soon a file that a reader held is tried again, in milliseconds. */
const REFUSED_AGAIN_MS = 1;
/** How soon files are tried again for which there was no room, in milliseconds. */
const FULL_AGAIN_MS = 500;
/** For how long a reader may go on before the host is told, and told again, in milliseconds. */
const REFUSED_LIMIT_MS = 5000;
/** So long what nobody waits for is left to ride with a message, before it gets a write of its own, in milliseconds. */
const HURRY_MS = 2000;

takeWork<{ path: string }>(({ path }) => serve(parentPort as MessagePort, path));

function serve(port: MessagePort, path: string): void {
  const db = openLedgerForWriting(path);
  const mailboxes = createMailboxes();
  const commitTogether = createCommit(db, mailboxes);
  let again: NodeJS.Timeout | undefined;
  let ride: NodeJS.Timeout | undefined;
  /** When the host was told of a file that a reader holds; monotonic milliseconds. */
  const reported = new Map<string, number>();

  port.on('message', (first: Request | 'close') => {
    const batch: Request[] = [];
    for (let next: Request | 'close' | undefined = first; next; next = takeNext()) {
      if (next === 'close') {
        finish(batch);
        close();
        return;
      }
      batch.push(next);
      if (batch.length >= LARGEST_BATCH) {
        finish(batch.splice(0));
      }
    }
    finish(batch);
  });
  tell({ kind: 'ready' });

  function takeNext(): Request | 'close' | undefined {
    return (receiveMessageOnPort(port) as { message: Request | 'close' } | undefined)?.message;
  }

  function finish(batch: Request[]): void {
    if (batch.length === 0) return;
    for (const reply of commitTogether(batch)) tell(reply);
    writeMailboxes();
  }

  function writeMailboxes(): void {
    clearTimeout(again);
    if (mailboxes.hasRiders()) ride ??= setTimeout(writeRiders, HURRY_MS);
    const now = performance.now();
    const refused = mailboxes.write(now);
    const holding = new Set(refused.map(({ session }) => session));
    for (const session of reported.keys()) if (!holding.has(session)) reported.delete(session);
    for (const { session, since, error } of refused) {
      const noRoom = since === null;
      const told = reported.get(session);
      if (noRoom ? told !== undefined : now - (told ?? since) < REFUSED_LIMIT_MS) continue;
      reported.set(session, now);
      const { message: reason } = error as Error;
      tell({ kind: 'stuck', session, reason, noRoom });
    }
    if (refused.length === 0) return;
    const isHeld = refused.some(({ since }) => since !== null);
    again = setTimeout(writeMailboxes, isHeld ? REFUSED_AGAIN_MS : FULL_AGAIN_MS);
  }

  function writeRiders(): void {
    ride = undefined;
    mailboxes.hurryRiders(performance.now());
    writeMailboxes();
  }

  function close(): void {
    clearTimeout(again);
    clearTimeout(ride);
    mailboxes.closeAll();
    try {
      db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // For want of room. What is in the log is durable as well; the next one takes it over.
    }
    db.close();
    tell({ kind: 'closed' });
    port.close();
  }

  function tell(reply: Reply): void {
    port.postMessage(reply);
  }
}
