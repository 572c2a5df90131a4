import type { ChatEvent } from '../channels/channel.ts';
import type { OutboxRow } from '../ledger/rows.ts';

/** What channels and readers of a chat get of an outbox row. */
export function toChatEvent(row: OutboxRow): ChatEvent {
  const { n, body, delivery: _, ...rest } = row;
  const { text, answers, files, rowId } = body;
  const question = body.question ? { id: rowId, options: body.question.options } : null;
  return { ...rest, key: n, id: `r${n}`, text, answers, files, question };
}
