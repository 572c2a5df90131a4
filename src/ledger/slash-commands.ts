import type Database from 'better-sqlite3';
import { dropMessages } from './drop-messages.ts';
import { prepareOutbox } from './outbox.ts';
import type { MailboxEffects, OutboxRow, SessionState } from './rows.ts';

/** A person's command to the host, with the words of its answer. */
export interface CommandOrder {
  name: string;
  text: string;
  /** Instead of `text`, when nothing was stopped. */
  whenIdle?: string | undefined;
}

interface Place {
  session: string;
  state: SessionState;
  chatId: number;
  thread: string | null;
  /** The command's own message. */
  message: string;
  now: number;
  keyless?: readonly string[] | undefined;
}

const REASON = 'It was stopped on request.';

/** What a person's command does to the ledger, in the transaction that makes the command durable. */
export function prepareSlashCommands(db: Database.Database) {
  const outbox = prepareOutbox(db);
  const waiting = db.prepare<[string, number, string | null, string], { id: string }>(
    `SELECT id FROM inbox WHERE session = ? AND status = 'waiting' AND chat_id = ? AND thread IS ? AND kind <> 'system' AND id <> ?
     ORDER BY seq`,
  );
  const stop = db.prepare("UPDATE inbox SET status = 'stopped', ended_at = ? WHERE id = ?");
  const answered = db.prepare("UPDATE inbox SET status = 'answered', replied = 1, ended_at = ? WHERE id = ?");
  const renew = db.prepare<[string], { conversation: number }>(
    'UPDATE sessions SET conversation = conversation + 1 WHERE id = ? RETURNING conversation',
  );

  return function carryOut(
    place: Place,
    order: CommandOrder,
    effects: MailboxEffects,
  ): { events: OutboxRow[]; stopped: string[] } {
    const ends = order.name === 'stop' || order.name === 'new';
    const { events, stopped } = ends ? stopAll(place, effects) : { events: [], stopped: [] };
    if (order.name === 'new') {
      const renewed = renew.get(place.session);
      if (renewed) effects.describe(place.session, renewed);
    }
    answered.run(place.now, place.message);
    const { session, chatId, thread, message, now, keyless } = place;
    const text = stopped.length === 0 ? (order.whenIdle ?? order.text) : order.text;
    // A colon cannot stand in an id that a container makes.
    const rowId = `command:${message}`;
    const body = { text, answers: [message], files: [], rowId };
    const row = { session, rowId, chatId, inReplyTo: message, thread, body, now };
    const reply = outbox.add({ ...row, type: 'message', code: null, reason: null }, keyless);
    return { events: reply ? [...events, reply] : events, stopped };
  };

  /** Ends all that waits in that chat and thread, what is worked on included. */
  function stopAll(place: Place, effects: MailboxEffects): { events: OutboxRow[]; stopped: string[] } {
    const { session, state, chatId, thread, message, now, keyless } = place;
    const stopped = waiting.all(session, chatId, thread, message).map(({ id }) => id);
    const events: OutboxRow[] = [];
    for (const id of stopped) {
      stop.run(now, id);
      const told = outbox.addFailure(
        { session, message: id, code: 'E_TURN_ABORTED', reason: REASON, now },
        keyless,
      );
      if (told) events.push(told);
    }
    dropMessages(effects, { id: session, state }, stopped, REASON);
    return { events, stopped };
  }
}
