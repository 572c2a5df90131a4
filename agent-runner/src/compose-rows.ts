import type { OutboundFile } from '../../contract/bodies.ts';
import { isTooLong, LONGEST_TEXT_BYTES } from '../../contract/longest-text.ts';
import type { Reply, TurnMessage } from './providers/provider.ts';
import { TurnError } from './providers/turn-error.ts';

/** A row of `outbound.messages` before it has an id. */
export interface ComposedRow {
  inReplyTo: string;
  destination: string | null;
  text: string;
  files: NonNullable<Reply['files']>;
  answers: string[];
  silent: boolean;
}

/** A row whose files lie where the host looks for them. */
export interface OutboundRow extends Omit<ComposedRow, 'files'> {
  id: string;
  files: OutboundFile[];
  /** It is a question; its answer names the row. */
  question?: { options: string[] };
}

/**
 * Turns a provider's replies into rows, such that every message of the turn is answered: what no reply lists is
 * answered by the last one. `inReplyTo` is the last message that a row answers, or the turn's last.
 *
 * @param messages of the turn, oldest first; at least one of them starts a turn.
 * @throws TurnError when there is no reply, or one is too long.
 */
export function composeRows(messages: readonly TurnMessage[], replies: readonly Reply[]): ComposedRow[] {
  if (replies.length === 0) throw new TurnError('permanent', 'The provider ended the turn without a reply.');
  const asked = messages.filter((message) => !message.context);
  const listed = new Set(replies.flatMap((reply) => reply.answers ?? []));
  const left = messages.map((message) => message.id).filter((id) => !listed.has(id));
  return replies.map((reply, index) => {
    const answers = [...(reply.answers ?? []), ...(index === replies.length - 1 ? left : [])];
    const last = asked.findLast((message) => answers.includes(message.id)) ?? asked.at(-1);
    return composeRow(reply, last?.id ?? '', answers);
  });
}

/** One reply as a row; without `answers` it is something said in mid-turn. */
export function composeRow(reply: Reply, inReplyTo: string, answers: string[] = []): ComposedRow {
  if (isTooLong(reply.text)) {
    throw new TurnError(
      'permanent',
      `The reply is longer than ${LONGEST_TEXT_BYTES / 1024} KiB. Long output belongs into a file.`,
    );
  }
  return {
    inReplyTo,
    destination: reply.destination ?? null,
    text: reply.text,
    files: reply.files ?? [],
    answers,
    silent: reply.silent === true,
  };
}
