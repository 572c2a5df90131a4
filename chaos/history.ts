import { appendFileSync, writeFileSync } from 'node:fs';

/** What happened, as whoever stands outside the host saw it. Times are milliseconds of one clock that never jumps. */
export type Happening =
  | { what: 'offered'; message: string; channel: string; chat: string; order: number; text: string }
  | { what: 'accepted'; message: string; id: string; session: string }
  | { what: 'refused'; message: string; code: string }
  /** The chat is to be deleted: from now on nobody waits there. */
  | { what: 'deleted'; chat: string }
  /** The operator has these events sent again. */
  | { what: 'resent'; keys: number[] }
  /** A send reached the platform; `deed` is what the platform did with it. */
  | { what: 'sent'; channel: string; chat: string; event: SentEvent; deed: string; call: number }
  /** The event appeared in the chat: a person can read it from now on. */
  | { what: 'shown'; channel: string; chat: string; event: SentEvent }
  | { what: 'offence'; words: string }
  | {
      what: 'container';
      action: 'start' | 'die' | 'gone';
      id: string;
      session: string;
      epoch: number;
    }
  | { what: 'engine'; action: 'up' | 'down' }
  | { what: 'host'; action: 'start' | 'ready' }
  | { what: 'host'; action: 'exit'; asked: boolean; failpoint: string | null; words: string }
  | { what: 'disk'; action: 'full' | 'room' }
  | { what: 'fault'; number: number; kind: string; target: string; done: boolean }
  /** The ledger says that a message has failed for good. */
  | { what: 'failed'; id: string }
  /** The session of a message that waits does not work now, and did when the message was there already. */
  | { what: 'stuck'; id: string }
  /** A reply is given up: its platform does not take it. */
  | { what: 'dead'; n: number }
  | { what: 'note'; words: string }
  | { what: 'end' };

/** What a channel hands to its platform. */
export interface SentEvent {
  key: number;
  event: number;
  type: 'message' | 'failure';
  answers: string[];
  text: string;
  code: string | null;
  reason: string | null;
}

export type Recorded = Happening & { at: number };

export interface History {
  readonly file: string;
  record(happening: Happening): void;
}

/** Begins a history: one JSON text a line, each on the disk of this process before anything follows from it. */
export function beginHistory(file: string): History {
  writeFileSync(file, '');
  return {
    file,
    record: (happening) =>
      appendFileSync(file, `${JSON.stringify({ at: performance.now(), ...happening })}\n`),
  };
}
