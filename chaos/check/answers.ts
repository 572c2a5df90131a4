import {
  all,
  type Evidence,
  type LedgerEvent,
  type LedgerMessage,
  type Message,
  messagesOf,
  type Violation,
} from './evidence.ts';
import { eventsAbout, failureMadeAt, type Known, knownOf } from './known.ts';

/**
 * Each message that was offered was accepted in the end. Where the ledger calls it answered, its reply could be read, or the word
 * that this one could not be delivered; where it calls it failed, the failure that ended it could. What was told before
 * counts for neither: it is tried again after that. Where a platform takes no key, nobody can know what became of some sends;
 * there, and only there, the ledger's word `uncertain` has to do.
 */
export function checkAnswers(evidence: Evidence): Violation[] {
  const known = knownOf(evidence);
  const about = eventsAbout(evidence);
  const inbox = new Map(evidence.inbox.map((row) => [row.id, row]));
  return messagesOf(evidence.history).flatMap((message) => {
    const row = inbox.get(message.id ?? '');
    if (message.id === undefined) return violation(message, 'was never accepted');
    if (!row) return violation(message, 'is not in the ledger');
    const words = whatIsMissing(row, about(row.id), known);
    return words === undefined ? [] : violation(message, words);
  });
}

function whatIsMissing(row: LedgerMessage, about: LedgerEvent[], { isKnown }: Known): string | undefined {
  const isTold = (at: number | null) => {
    const told = failureMadeAt(about, at);
    return told !== undefined && isKnown(told);
  };
  if (row.status === 'waiting') return 'waits still';
  if (row.toldAt !== null && !isTold(row.toldAt)) return 'was not told of what it counts as told of';
  if (row.status !== 'answered') return isTold(row.endedAt) ? undefined : 'has failed, and was not told so';
  const replies = about.filter(({ type }) => type === 'message');
  if (replies.some(isKnown)) return undefined;
  const isGivenUp = replies.some(({ status }) => status === 'dead' || status === 'dropped');
  const isSaid = about.some((event) => event.code === 'E_SEND_FAILED' && isKnown(event));
  return isGivenUp && isSaid ? undefined : 'is answered, and its reply could not be read';
}

/** No message has two replies, and what was told to be over has no reply afterwards. */
export function checkDoubles(evidence: Evidence): Violation[] {
  const { history, outbox } = evidence;
  const found: Violation[] = [];
  const replies = new Map<string, number>();
  for (const { n, type, answers } of outbox) {
    if (type !== 'message') continue;
    for (const id of answers) {
      if (replies.has(id)) found.push(double(`${id} is answered by r${replies.get(id)} and by r${n}`));
      replies.set(id, n);
    }
  }
  const about = eventsAbout(evidence);
  for (const { id, status, endedAt } of evidence.inbox) {
    const over = status === 'failed' ? failureMadeAt(about(id), endedAt) : undefined;
    const reply = replies.get(id);
    if (over && reply !== undefined && reply > over.n)
      found.push(double(`${id} is over by r${over.n} and answered by r${reply}`));
  }
  const resent = new Set(all(history, 'resent').flatMap(({ keys }) => keys));
  const seen = new Set<string>();
  for (const { channel, chat, event } of all(history, 'shown')) {
    const key = `${channel === 'http' ? chat : channel} r${event.key}`;
    if (seen.has(key) && !resent.has(event.key)) found.push(double(`${key} appeared twice in ${chat}`));
    seen.add(key);
  }
  return found;
}

/** In each chat replies appear in the order of the messages that they answer, and events in the order of their numbers. */
export function checkOrder({ history, inbox }: Evidence): Violation[] {
  const seqs = new Map(inbox.map(({ id, seq }) => [id, seq]));
  const resent = new Set(all(history, 'resent').flatMap(({ keys }) => keys));
  const last = new Map<string, { seq: number; event: number }>();
  const found: Violation[] = [];
  for (const { chat, event } of all(history, 'shown')) {
    if (resent.has(event.key)) continue;
    const before = last.get(chat) ?? { seq: 0, event: 0 };
    const seq =
      event.type === 'message' ? Math.max(...event.answers.map((id) => seqs.get(id) ?? 0)) : before.seq;
    if (event.event < before.event)
      found.push(disorder(`event ${event.event} of ${chat} after ${before.event}`));
    if (seq < before.seq) found.push(disorder(`in ${chat} message ${seq} is answered after ${before.seq}`));
    last.set(chat, { seq: Math.max(seq, before.seq), event: Math.max(event.event, before.event) });
  }
  return found;
}

/** Messages of a chat bear the ledger's numbers in the order in which they were said. */
export function checkAcceptedOrder({ history, inbox }: Evidence): Violation[] {
  const seqs = new Map(inbox.map(({ id, seq }) => [id, seq]));
  const last = new Map<string, number>();
  const found: Violation[] = [];
  for (const { chat, id, message } of messagesOf(history)) {
    const seq = seqs.get(id ?? '');
    if (seq === undefined) continue;
    if (seq < (last.get(chat) ?? 0)) found.push(disorder(`${message} of ${chat} was accepted out of order`));
    last.set(chat, seq);
  }
  return found;
}

function violation({ message, chat, id }: Message, words: string): Violation[] {
  return [
    { rule: 'a message without a reply or a told failure', words: `${message} (${id}) of ${chat} ${words}` },
  ];
}

function double(words: string): Violation {
  return { rule: 'two replies under one key', words };
}

function disorder(words: string): Violation {
  return { rule: 'order broken within a session', words };
}
