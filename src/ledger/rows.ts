import type { InboundRow, Receipt } from '../../contract/bodies.ts';
import type { SESSION_STATES } from './schema.ts';

/** The shapes in which rows of the ledger travel between the writer's thread and the stages. */

export type SessionState = (typeof SESSION_STATES)[number];

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
}

export interface OutboxBody {
  text: string;
  answers: string[];
  /** Kept in the session's folder `sent/<row id>/`. */
  files: { name: string; bytes: number }[];
  rowId: string;
}

/** How far the ledger has read a session's `outbound.db`. */
export interface Cursor {
  file: string | null;
  seq: number;
  usage: number;
}

/** Effects on sessions' mailboxes that a ledger command asks for; they happen after its commit. */
export interface MailboxEffects {
  /** Puts a row into the session's `inbound.db`, if that is open. */
  put(session: string, row: InboundRow): void;
  /** These messages are over: their rows go with the next write. */
  settle(session: string, messages: string[], cursor: Cursor | null): void;
  receipt(session: string, receipt: Receipt): void;
}
