import type { MailboxEffects, SessionState } from './rows.ts';

/** So many controls stay in `inbound.db`; all messages of one turn end with any of them. */
const MOST_ABORTS = 10;

/**
 * Messages that nobody wants an answer to any more, oldest first: their rows go at once, and the turn of those that are worked on
 * ends. @param words why, for a person.
 */
export function dropMessages(
  effects: MailboxEffects,
  session: { id: string; state: SessionState },
  messages: string[],
  words: string,
): void {
  if (messages.length === 0) return;
  // Whatever is written takes the park back, and there is no need: nothing that is due waits, and no turn runs.
  if (session.state === 'freezing') {
    effects.settle(session.id, messages, null);
    return;
  }
  effects.withdraw(session.id, messages);
  // A runner may be at them that is only just waking, or thawed: the ledger hears of its first look later.
  effects.abort(session.id, messages.slice(0, MOST_ABORTS), words);
}
