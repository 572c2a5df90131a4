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

/** What a session is of: a chat, or a thread of one; `chatId` is `null` where all chats of its group share it. */
export interface SessionHome {
  chatId: number | null;
  thread: string | null;
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

/** Decides where a container's rows go, at a pace. */
export function prepareRowPlace(db: Database.Database) {
  const goalOf = prepareRowGoal(db);
  const paces = new Map<string, SendPace>();

  return function placeOf(
    { session, own, now }: { session: string; own: SessionHome; now: number },
    origin: Origin | undefined,
    row: PlacedRow,
  ): RowPlace | { refused: string } {
    const goal = goalOf({ session, own }, origin, row);
    if ('refused' in goal || row.answers.length > 0 || row.silent || paceOf(session).allows(now)) return goal;
    return { refused: `E_REQUEST_LIMIT: more than ${BURST} messages a minute that answer nothing` };
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

/** Looks up, before anything is collected, what becomes of a container's row: its files are copied only for a chat that shows them. */
export function createRowReads(db: Database.Database) {
  const goalOf = prepareRowGoal(db);
  const homeOf = db.prepare<[string], SessionHome>(
    'SELECT chat_id AS chatId, thread FROM sessions WHERE id = ?',
  );
  const origin = db.prepare<[string, string], Origin>(
    'SELECT chat_id, thread, status FROM inbox WHERE id = ? AND session = ?',
  );
  const event = db.prepare<[string, string], { 1: number }>(
    'SELECT 1 FROM outbox WHERE session = ? AND row_id = ?',
  );
  const isCollected = (session: string, rowId: string) => event.get(session, rowId) !== undefined;

  return {
    /** True: an event of that row of the session is in the outbox. */
    isCollected,
    /** False: the row shows nothing in a chat that is not there already, or will be refused. */
    willAppear(session: string, row: PlacedRow & { id: string }): boolean {
      const own = homeOf.get(session);
      if (!own || row.silent || isCollected(session, row.id)) return false;
      const answered = row.inReplyTo === null ? undefined : origin.get(row.inReplyTo, session);
      return !('refused' in goalOf({ session, own }, answered, row));
    },
  };
}

/** Nothing in a row is trusted: it reaches the chats of its own session alone. */
function prepareRowGoal(db: Database.Database) {
  const destinations = prepareDestinations(db);

  return function goalOf(
    { session, own }: { session: string; own: SessionHome },
    origin: Origin | undefined,
    row: PlacedRow,
  ): RowPlace | { refused: string } {
    if (origin?.status === 'stopped') return { refused: 'its message was stopped' };
    if (row.kind !== 'chat') return { refused: `requests of kind "${row.kind}" are not known to this host` };
    const home = origin?.chat_id ?? (row.inReplyTo === null ? own.chatId : null);
    const chatId = row.destination === null ? home : destinations.find(session, row.destination);
    if (chatId === undefined) return { refused: `this session has no destination "${row.destination}"` };
    if (chatId === null)
      return { refused: 'the row says neither which message it answers nor where it goes' };
    // Elsewhere nobody knows the message, and nobody waits for its answer.
    if (chatId !== home) return { chatId, thread: null, inReplyTo: null, answers: [] };
    const { inReplyTo, answers } = row;
    return { chatId, thread: (origin ?? own).thread, inReplyTo, answers };
  };
}
