import type Database from 'better-sqlite3';
import { SendPace } from '../../contract/send-pace.ts';
import { prepareDestinations } from './destinations.ts';

/** The inbound message that a row answers. */
export interface Origin {
  chat_id: number;
  thread: string | null;
  status: string;
}

interface PlacedRow {
  kind: string;
  inReplyTo: string | null;
  destination: string | null;
  answers: string[];
  silent: boolean;
}

/** Where a row of a container appears. */
export interface RowPlace {
  chatId: number;
  thread: string | null;
  inReplyTo: string | null;
  answers: string[];
}

/** What piled up while the host was down comes at once. */
const BURST = 10 * SendPace.MOST;
/** Paces are counted for so many sessions at most; then anew. */
const MOST_PACES = 10_000;

/** Decides where a container's rows go. Nothing in them is trusted: they reach the chats of their own session alone. */
export function prepareRowPlace(db: Database.Database) {
  const destinations = prepareDestinations(db);
  const paces = new Map<string, SendPace>();

  /** @param defaultChat the session's own; `null`: it has none. */
  return function placeOf(
    { session, defaultChat, now }: { session: string; defaultChat: number | null; now: number },
    origin: Origin | undefined,
    row: PlacedRow,
  ): RowPlace | { refused: string } {
    if (origin?.status === 'stopped') return { refused: 'its message was stopped' };
    if (row.kind !== 'chat') return { refused: `requests of kind "${row.kind}" are not known to this host` };
    const home = origin?.chat_id ?? (row.inReplyTo === null ? defaultChat : null);
    const chatId = row.destination === null ? home : destinations.find(session, row.destination);
    if (chatId === undefined) return { refused: `this session has no destination "${row.destination}"` };
    if (chatId === null)
      return { refused: 'the row says neither which message it answers nor where it goes' };
    if (row.answers.length === 0 && !row.silent && !paceOf(session).allows(now))
      return { refused: `E_REQUEST_LIMIT: more than ${BURST} messages a minute that answer nothing` };
    // Elsewhere nobody knows the message, and nobody waits for its answer.
    if (chatId !== home) return { chatId, thread: null, inReplyTo: null, answers: [] };
    const { inReplyTo, answers } = row;
    return { chatId, thread: origin?.thread ?? null, inReplyTo, answers };
  };

  function paceOf(session: string): SendPace {
    const known = paces.get(session);
    if (known) return known;
    if (paces.size >= MOST_PACES) paces.clear();
    const pace = new SendPace(BURST);
    paces.set(session, pace);
    return pace;
  }
}
