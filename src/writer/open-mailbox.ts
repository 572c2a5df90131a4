import { rmSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { Destination, InboundRow, Receipt, SessionBody } from '../../contract/bodies.ts';
import { failpoint } from '../failpoint.ts';
import type { Cursor } from '../ledger/rows.ts';
import {
  type InboundChanges,
  type InboundFile,
  noChanges,
  openInboundFile,
} from '../mailbox/inbound-file.ts';

/** A session's `inbound.db` while its container may live, and what is to be written to it next. */
export interface OpenMailbox {
  file: InboundFile;
  changes: InboundChanges;
  /** What nobody waits for: removals, receipts, the cursor. It is left out of what is written until it is due. */
  riders: InboundChanges;
  /** Since when there is something that is not urgent; monotonic milliseconds. */
  waitsSince: number | null;
  /** As the runner was told, or is about to be. */
  body: SessionBody;
  /** Of the container that it is open for. */
  epoch: number;
  /** It is to be written now. */
  urgent: boolean;
  /** When the first write of these changes was refused because of a reader; monotonic milliseconds. */
  refusedSince: number | null;
  /** Number of the last control. */
  lastControl: number;
  /** Epoch of a `park` that nothing has taken back yet: whatever is put in besides brings an `unpark` along. */
  parkedEpoch: number | null;
  /** The container is just being paused: nothing is written until it is. */
  held: boolean;
  /** It takes no new messages: its container is to end after its turn. */
  sealed: boolean;
}

/**
 * So long riders stay out of what is written, in milliseconds: with each message they would be as many pages again for it to wait
 * for. From then on a message takes them along.
 */
const RIDE_MS = 500;

/** To the host: a damaged `inbound.db` was made anew. */
export interface Renewed {
  kind: 'renewed';
  inbound: string;
  reason: string;
}

export interface Opening {
  path: string;
  body: SessionBody;
  epoch: number;
  rows: InboundRow[];
  cursor: Cursor;
  /** What the agent should have been told, oldest first. */
  receipts: Receipt[];
  destinations: Destination[];
}

/** Beside a runner that reads. */
export interface Attaching extends Opening {
  /** Messages of the session that are not over. */
  waiting: string[];
}

/**
 * The file is a projection of the ledger: what it lacks is put in, what is over or not yet due is taken out. Nobody reads it yet, and
 * so one that is damaged is made anew.
 */
export function bringInLine(opening: Opening): OpenMailbox {
  try {
    return openAndWrite(opening);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const { path } = opening;
    for (const part of [`${path}-journal`, path]) rmSync(part, { force: true });
    const { message: reason } = error as Error;
    parentPort?.postMessage({ kind: 'renewed', inbound: path, reason } satisfies Renewed);
    return openAndWrite(opening);
  }
}

/**
 * As above, but beside a runner that reads: its controls stay, because it counts them; what is as it should be is not
 * written again; and what is to be written waits for its moment like everything else. Messages that are over go with whatever is
 * written next, or after a while: the runner knows that they are, as long as it is not told that the host knows.
 * Those that it is not to take up now, but are not over, go at once.
 */
export function attachTo(opening: Attaching, sealed: boolean): OpenMailbox {
  return withFile(opening, (file) => {
    const waiting = new Set(opening.waiting);
    const { settled, removals, ...changes } = lacking(file, opening);
    const session = file.body() === JSON.stringify(opening.body) ? null : opening.body;
    const untimely = removals.filter((id) => waiting.has(id));
    const riders = { ...noChanges(), settled, removals: removals.filter((id) => !waiting.has(id)) };
    return {
      ...asFound(file, opening),
      changes: { ...changes, session, settled: null, removals: untimely },
      urgent: changes.messages.length > 0 || untimely.length > 0 || session !== null,
      riders,
      waitsSince: riders.removals.length > 0 ? performance.now() - RIDE_MS : null,
      sealed,
    };
  });
}

function openAndWrite(opening: Opening): OpenMailbox {
  return withFile(opening, (file) => {
    file.clearControls();
    const changes = { ...lacking(file, opening), session: opening.body };
    const mailbox = { ...asFound(file, opening), changes, urgent: true };
    flush(mailbox);
    return mailbox;
  });
}

function isDamage(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
}

/** It stays open unless that throws. */
function withFile(opening: Opening, read: (file: InboundFile) => OpenMailbox): OpenMailbox {
  const file = openInboundFile(opening.path);
  try {
    return read(file);
  } catch (error) {
    file.close();
    throw error;
  }
}

function asFound(file: InboundFile, { body, epoch }: Opening): OpenMailbox {
  const rest = { body, epoch, refusedSince: null, parkedEpoch: null, held: false, sealed: false };
  const riding = { riders: noChanges(), waitsSince: null };
  return { file, changes: noChanges(), ...riding, urgent: false, lastControl: file.lastControl(), ...rest };
}

function lacking(file: InboundFile, { rows, cursor, receipts, destinations }: Opening): InboundChanges {
  const present = new Map(file.present().map((row) => [row.id, row.attempt]));
  const due = new Set(rows.map((row) => row.id));
  const told = new Map(file.receipts().map((receipt) => [receipt.outId, receipt.status]));
  return {
    ...noChanges(),
    settled: cursor,
    removals: [...present.keys()].filter((id) => !due.has(id)),
    messages: rows.filter((row) => present.get(row.id) !== row.attempt),
    destinations: JSON.stringify(file.destinations()) === JSON.stringify(destinations) ? null : destinations,
    receipts: receipts.filter(({ outId, status }) => told.get(outId) !== status),
  };
}

/** Whatever is written while a park stands takes it back, in the same commit. */
export function unpark(mailbox: OpenMailbox): void {
  if (mailbox.parkedEpoch === null) return;
  mailbox.lastControl += 1;
  const { lastControl: seq, parkedEpoch: epoch } = mailbox;
  mailbox.changes.controls.push({ seq, epoch, verb: 'unpark', body: {} });
  mailbox.parkedEpoch = null;
}

/** What is not urgent has waited for long enough. @param now monotonic milliseconds. */
export function isDue({ waitsSince }: OpenMailbox, now: number): boolean {
  return waitsSince !== null && now - waitsSince >= RIDE_MS;
}

/** @param now monotonic milliseconds, for what is left out until it is due; `undefined`: all is written. */
export function flush(mailbox: OpenMailbox, now?: number): void {
  const whole = now === undefined || isDue(mailbox, now);
  failpoint?.('before inbound write');
  mailbox.file.write(whole ? withRiders(mailbox) : mailbox.changes);
  failpoint?.('after inbound write');
  mailbox.changes = noChanges();
  if (whole) mailbox.riders = noChanges();
  if (!hasAny(mailbox.riders)) mailbox.waitsSince = null;
  mailbox.urgent = false;
  mailbox.refusedSince = null;
}

function hasAny({ removals, receipts, settled }: InboundChanges): boolean {
  return removals.length > 0 || receipts.length > 0 || settled !== null;
}

function withRiders({ changes, riders }: OpenMailbox): InboundChanges {
  return {
    ...changes,
    removals: [...changes.removals, ...riders.removals],
    receipts: [...changes.receipts, ...riders.receipts],
    settled: riders.settled ?? changes.settled,
  };
}

/** At closing: what a reader keeps us from writing is made good at the next opening. */
export function writeOrLeave(mailbox: OpenMailbox): void {
  try {
    flush(mailbox);
  } catch {
    mailbox.urgent = false;
  }
}
