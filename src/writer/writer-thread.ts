import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { asBerthError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';
import { openLedgerForWriting } from '../ledger/open-database.ts';
import { takeWork } from '../take-work.ts';
import { type CommandName, prepareCommands } from './commands.ts';
import { createMailboxes } from './mailboxes.ts';
import { RIDE_MS } from './open-mailbox.ts';
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

const port = parentPort as MessagePort;
const db = openLedgerForWriting((await takeWork<{ path: string }>()).path);
const mailboxes = createMailboxes();
const commands = prepareCommands(db, mailboxes) as unknown as Record<CommandName, (args: unknown) => unknown>;
const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');
const savepoint = db.prepare('SAVEPOINT request');
const release = db.prepare('RELEASE request');
const rollbackTo = db.prepare('ROLLBACK TO request');
let again: NodeJS.Timeout | undefined;
let ride: NodeJS.Timeout | undefined;
/** When the host was told of a file that a reader holds; monotonic milliseconds. */
const reported = new Map<string, number>();
const counts = { ledger: 0, requests: 0 };

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
port.postMessage({ kind: 'ready' } satisfies Reply);

function takeNext(): Request | 'close' | undefined {
  return (receiveMessageOnPort(port) as { message: Request | 'close' } | undefined)?.message;
}

function finish(batch: Request[]): void {
  if (batch.length === 0) return;
  for (const reply of commitTogether(batch)) port.postMessage(reply);
  writeMailboxes();
}

function commitTogether(batch: Request[]): Reply[] {
  try {
    begin.run();
    const replies = batch.map(runOne);
    if (failpoint) for (const { command } of batch) failpoint(`before commit ${command}`);
    commit.run();
    if (failpoint) for (const { command } of batch) failpoint(`after commit ${command}`);
    counts.ledger += 1;
    counts.requests += batch.length;
    const unopened = mailboxes.keep();
    return unopened.size === 0
      ? replies
      : replies.map((reply, index) => withFileError(batch[index], reply, unopened));
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    mailboxes.drop();
    const { code, message } = asBerthError(error, 'E_LEDGER');
    return batch.map(({ id }) => ({ kind: 'error', id, code, message }));
  }
}

/** A wake or an adoption whose `inbound.db` cannot be opened is an error, although what it did to the ledger holds. */
function withFileError(request: Request | undefined, reply: Reply, unopened: Map<string, unknown>): Reply {
  if (request?.command !== 'beginWake' && request?.command !== 'attach') return reply;
  const error = unopened.get((request.args as { session: string }).session);
  if (error === undefined) return reply;
  const { code, message } = asBerthError(error, 'E_WAKE');
  return { kind: 'error', id: request.id, code, message: `inbound.db cannot be opened: ${message}` };
}

function runOne(request: Request): Reply {
  savepoint.run();
  const before = mailboxes.count();
  try {
    const result = commands[request.command](request.args);
    release.run();
    return { kind: 'result', id: request.id, result };
  } catch (error) {
    // A failed statement may have ended the whole transaction (a full disk does): then the batch fails together.
    if (!db.inTransaction) throw error;
    rollbackTo.run();
    release.run();
    mailboxes.drop(before);
    const { code, message } = asBerthError(error, 'E_LEDGER');
    return { kind: 'error', id: request.id, code, message };
  }
}

function writeMailboxes(): void {
  clearTimeout(again);
  if (mailboxes.hasRiders()) ride ??= setTimeout(writeRiders, RIDE_MS);
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
    port.postMessage({ kind: 'stuck', session, reason, noRoom } satisfies Reply);
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
  port.postMessage({ kind: 'closed' } satisfies Reply);
  port.close();
}
