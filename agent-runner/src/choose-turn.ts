import type { InboundHeader } from './read-inbound.ts';

/** A turn takes no more text than this at once, so that a long queue does not fill the memory. */
const MOST_BYTES = 8 * 1024 * 1024;
/** And no more messages: one reply can list them all. */
const MOST_MESSAGES = 500;

interface TurnRules {
  /** So many that start a turn are taken at once. */
  most: number;
  /** A person's `/command` is taken by itself. */
  commandsAlone: boolean;
}

/**
 * Picks the messages of the next turn: of the chat and thread whose message has waited longest, oldest first, at most
 * `most` that start a turn, up to the next command where those go alone; and with them the context-only messages of that chat that are older than the last of them
 * (all of them, when nothing of that thread is left over).
 *
 * @param free what no claim has taken, oldest first.
 * @returns nothing when no message there starts a turn.
 */
export function chooseTurn(free: readonly InboundHeader[], rules: TurnRules): InboundHeader[] {
  const first = free.find(startsTurn);
  if (!first) return [];
  const sameThread = free.filter(
    (one) => startsTurn(one) && one.chat === first.chat && one.thread === first.thread,
  );
  if (rules.commandsAlone && first.command) return [first];
  const command = rules.commandsAlone ? sameThread.findIndex((one) => one.command) : -1;
  const most = Math.min(rules.most, MOST_MESSAGES, command === -1 ? MOST_MESSAGES : command);
  const taken = within(sameThread.slice(0, Math.max(1, most)));
  const last = taken.at(-1) ?? first;
  const all = taken.length === sameThread.length;
  const context = free.filter((one) => !one.wake && one.kind !== 'system' && one.chat === first.chat);
  return [...taken, ...context.filter((one) => all || one.seq < last.seq)].sort((a, b) => a.seq - b.seq);
}

/** True for a message that is due and by itself a reason to work. */
export function startsTurn(message: InboundHeader): boolean {
  return message.wake && message.kind !== 'system';
}

/** As many from the front as fit; always the first. */
function within(messages: InboundHeader[]): InboundHeader[] {
  let bytes = 0;
  return messages.filter((message, index) => {
    bytes += message.bytes;
    return index === 0 || bytes <= MOST_BYTES;
  });
}
