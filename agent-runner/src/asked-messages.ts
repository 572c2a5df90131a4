import type { TurnMessage } from './providers/provider.ts';

/** What a turn is about: the first of its messages that wants an answer. What is said goes to its chat and thread. */
export function firstAsked(messages: readonly TurnMessage[]): TurnMessage {
  const asked = messages.find((message) => !message.context) ?? messages[0];
  if (!asked) throw new Error('A turn has at least one message.');
  return asked;
}

/**
 * Those that want an answer in the chat and thread of `home`. An answer to a question that was asked elsewhere belongs to
 * the turn too, but nothing of the turn goes there.
 */
export function askedThere(home: TurnMessage, messages: readonly TurnMessage[]): TurnMessage[] {
  return messages.filter(
    ({ context, chat, thread }) => !context && chat === home.chat && thread === home.thread,
  );
}
