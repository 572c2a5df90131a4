import type { Destination, SessionBody } from '../../../contract/bodies.ts';

export interface Question {
  text: string;
  options: string[];
  destination?: string | undefined;
  /** How long to wait for the answer, in milliseconds. */
  waitMs: number;
}

/** What the host said to a request. */
export type HostAnswer = { ok: true; result: unknown } | { ok: false; error: string };

/**
 * What an agent may do beside answering, whatever speaks for it. Every method throws an Error whose message tells the
 * agent why it was not done. Only a running turn may do anything: between turns no database is touched.
 */
export interface AgentDesk {
  /** Says something now. @returns the id of the row, durable. */
  say(message: { text: string; destination?: string | undefined }): Promise<string>;
  /** Sends a file now. @returns the name under which it goes. */
  sendFile(file: {
    path: string;
    name?: string | undefined;
    text: string;
    destination?: string | undefined;
  }): Promise<string>;
  destinations(): Promise<Destination[]>;
  /** Asks a person. @returns the answer; `undefined`: none has come in that time, it will be a message of its own. */
  ask(question: Question, signal: AbortSignal): Promise<{ id: string; answer: string | undefined }>;
  /** Keeps a note; `null` forgets it. */
  remember(key: string, text: string | null): void;
  /** The notes, by key. */
  notes(): Record<string, string>;
  /** Asks the host for something. The same `key` for the same request of a repeated turn. */
  request(name: string, args: object): Promise<HostAnswer>;
  /** The same text for the same words of the same turn, also when the turn is repeated. */
  keyOf(words: unknown): string;
  about(): Promise<SessionFacts>;
}

/** What an agent may know of where it is. */
export interface SessionFacts {
  session: string;
  group: string;
  groupName: string;
  chat: string;
  thread: string | null;
  attempt: number;
  agent: Pick<SessionBody['agent'], 'provider' | 'model'>;
  conversation: number;
  timezone: string;
  now: string;
  turnEndsAt: string;
  largestFileBytes: number;
  folders: { group: string; session: string };
  notices: string[];
  destinations: Destination[];
}
