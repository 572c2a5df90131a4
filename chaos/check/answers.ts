import { all, type Evidence, type Message, messagesOf, type Violation } from './evidence.ts';

/**
 * Each message that was offered was accepted in the end and has a reply that could be read, or a failure that was. Where a
 * platform takes no key, nobody can know what became of some sends; there, and only there, the ledger's word `uncertain` has to
 * do, of the reply and of what told of it.
 */
export function checkAnswers(evidence: Evidence): Violation[] {
  const { history, outbox, inbox } = evidence;
  const shown = all(history, 'shown').flatMap(({ event }) => event.answers);
  const readable = new Set(shown);
  const unknowable = new Set(
    outbox
      .filter(({ channel, status }) => channel === 'keyless' && status === 'uncertain')
      .flatMap(({ answers }) => answers),
  );
  const open = new Set(inbox.filter(({ status }) => status === 'waiting').map(({ id }) => id));
  return messagesOf(history).flatMap((message) => {
    const { id } = message;
    if (id === undefined) return violation(message, 'was never accepted');
    if (open.has(id)) return violation(message, 'waits still');
    return readable.has(id) || unknowable.has(id) ? [] : violation(message, 'has neither reply nor failure');
  });
}

/** No message has two replies, and what was told to be over has no reply afterwards. */
export function checkDoubles({ history, outbox }: Evidence): Violation[] {
  const found: Violation[] = [];
  const replies = new Map<string, number>();
  for (const { n, type, answers } of outbox) {
    if (type !== 'message') continue;
    for (const id of answers) {
      if (replies.has(id)) found.push(double(`${id} is answered by r${replies.get(id)} and by r${n}`));
      replies.set(id, n);
    }
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
