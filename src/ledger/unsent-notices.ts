import type Database from 'better-sqlite3';
import { prepareOutbox } from './outbox.ts';
import type { OutboxBody, OutboxRow } from './rows.ts';

interface Placed {
  session: string;
  rowId: string;
  chatId: number;
  inReplyTo: string | null;
  thread: string | null;
  body: string;
}

/** Begins the `row_id` of a notice. No container can make an id with a colon. */
const NOTICE = 'unsent:';

/** Tells a chat of an event that did not arrive there, or perhaps not. */
export function prepareNotices(
  db: Database.Database,
): (args: { n: number; state: 'uncertain' | 'dead'; error: string; now: number }) => OutboxRow[] {
  const outbox = prepareOutbox(db);
  const find = db.prepare<[number], Placed>(
    `SELECT session, row_id AS rowId, chat_id AS chatId, in_reply_to AS inReplyTo, thread, body FROM outbox WHERE n = ?`,
  );

  /** @returns the notice; none of an event that is a notice itself (it would go the same way), none a second time. */
  return function tell({ n, state, error, now }) {
    const row = find.get(n);
    if (!row || row.rowId.startsWith(NOTICE)) return [];
    const { session, chatId, inReplyTo, thread } = row;
    const rowId = `${NOTICE}${n}:${state}`;
    const { answers } = JSON.parse(row.body) as OutboxBody;
    const event = outbox.add({
      ...{ session, rowId, chatId, inReplyTo, thread, now },
      type: 'failure',
      body: { text: '', answers, files: [], rowId },
      ...words(state, error),
    });
    return event ? [event] : [];
  };
}

function words(state: 'uncertain' | 'dead', error: string): { code: string; reason: string } {
  if (state === 'dead')
    return { code: 'E_SEND_FAILED', reason: `An answer could not be delivered to this chat: ${error}.` };
  const reason = `It is not known whether an answer has arrived in this chat: ${error}. It is not sent again by itself.`;
  return { code: 'E_SEND_UNCERTAIN', reason };
}
