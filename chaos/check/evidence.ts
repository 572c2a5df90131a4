import { readFileSync } from 'node:fs';
import type { Recorded } from '../history.ts';

export type { Recorded } from '../history.ts';

/** A message of a person, from the history and the ledger together. */
export interface Message {
  message: string;
  channel: string;
  chat: string;
  text: string;
  offeredAt: number;
  /** The host's id, once it had accepted it. */
  id: string | undefined;
  session: string | undefined;
}

/** A row of the ledger's outbox. */
export interface LedgerEvent {
  n: number;
  session: string;
  channel: string;
  chat: string;
  event: number;
  type: 'message' | 'failure';
  status: string;
  code: string | null;
  answers: string[];
  createdAt: number;
}

/** A row of the ledger's inbox. */
export interface LedgerMessage {
  id: string;
  session: string;
  seq: number;
  status: string;
  attempt: number;
  /** When its sender was told that it does not work now, and when it ended; by the host's clock. */
  toldAt: number | null;
  endedAt: number | null;
}

/** What is left of a run: the history, and rows of all files as they stood after the host's last end. */
export interface Evidence {
  history: Recorded[];
  inbox: LedgerMessage[];
  outbox: LedgerEvent[];
  sessions: { id: string; state: string }[];
  /** Of each session's two files: what stands there that should not. */
  leftInFiles: { session: string; words: string }[];
  /** Names of containers that the engine still has. */
  containers: string[];
}

/** What is wrong; `rule` is the same for all of a kind. */
export interface Violation {
  rule: string;
  words: string;
}

export function readHistory(file: string): Recorded[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Recorded);
}

/** The happenings of one kind. */
export function all<What extends Recorded['what']>(
  history: readonly Recorded[],
  what: What,
): Extract<Recorded, { what: What }>[] {
  return history.filter((happening) => happening.what === what) as Extract<Recorded, { what: What }>[];
}

/** What people said, in the order in which they said it, but for chats that were deleted. */
export function messagesOf(history: readonly Recorded[]): Message[] {
  const deleted = new Set(all(history, 'deleted').map(({ chat }) => chat));
  const accepted = new Map(all(history, 'accepted').map((one) => [one.message, one]));
  return all(history, 'offered')
    .filter(({ chat }) => !deleted.has(chat))
    .map(({ message, channel, chat, text, at }) => ({
      ...{ message, channel, chat, text, offeredAt: at },
      id: accepted.get(message)?.id,
      session: accepted.get(message)?.session,
    }));
}
