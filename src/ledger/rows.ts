import type { Destination, InboundRow, Receipt, SessionBody } from '../../contract/bodies.ts';
import type { OUTBOX_STATES, SESSION_STATES } from './schema.ts';

/** The shapes in which rows of the ledger travel between the writer's thread and the stages. */

export type SessionState = (typeof SESSION_STATES)[number];
export type OutboxState = (typeof OUTBOX_STATES)[number];

/** A message that has no answer yet. */
export interface WaitingMessage {
  id: string;
  attempt: number;
  wake: boolean;
  /** Unix milliseconds from when on it may be taken up. */
  dueAt: number;
}

/** A row of the outbox, joined with its chat. */
export interface OutboxRow {
  n: number;
  session: string;
  channel: string;
  group: string;
  chat: string;
  event: number;
  type: 'message' | 'failure';
  inReplyTo: string | null;
  thread: string | null;
  body: OutboxBody;
  code: string | null;
  reason: string | null;
  createdAt: number;
  delivery: Delivery;
}

/** How far a row of the outbox is on its way to the platform. */
export interface Delivery {
  status: OutboxState;
  /** Sends that failed so far. */
  attempts: number;
  /** Unix milliseconds of the next try; `null`: at once. */
  dueAt: number | null;
  /** Unix milliseconds from which its age counts: since it was made, or since the operator had it sent again. */
  since: number;
}

/** A row of the outbox that is still to be sent, without what it says. */
export interface UnsentRow extends Delivery {
  n: number;
  channel: string;
  group: string;
  chat: string;
}

/** A send that the platform has taken. */
export interface SentMark {
  n: number;
  /** The platform's own id of it. */
  platformId: string | null;
}

export interface OutboxBody {
  text: string;
  answers: string[];
  /** Kept in the session's folder `sent/<row id>/`. */
  files: { name: string; bytes: number }[];
  rowId: string;
  /** It is a question; its answer names the row. */
  question?: { options: string[] } | undefined;
}

/** How far the ledger has read a session's `outbound.db`. */
export interface Cursor {
  file: string | null;
  seq: number;
  usage: number;
  /** Of the last row that was read: none that comes later may bear an older one. */
  epoch: number;
}

/** Effects on sessions' mailboxes that a ledger command asks for; they happen after its commit. */
export interface MailboxEffects {
  /** Puts a row into the session's `inbound.db`, if that is open. */
  put(session: string, row: InboundRow): void;
  /** These messages are not to be taken up now: their rows go at once. */
  withdraw(session: string, messages: string[]): void;
  /** These messages are over: their rows go with the next write. */
  settle(session: string, messages: string[], cursor: Cursor | null): void;
  receipt(session: string, receipt: Receipt): void;
  /** Where the session may send has changed. */
  destinations(session: string, all: Destination[]): void;
  /** Ends the turns of these messages. @param words why, for a person. */
  abort(session: string, messages: string[], words: string): void;
  /** What the host says of the session has changed; it goes with the next write. */
  describe(session: string, change: Partial<SessionBody>): void;
}
