import type { OutboundFile } from '../../contract/bodies.ts';
import { isTooLong, LONGEST_TEXT_BYTES } from '../../contract/longest-text.ts';
import { askedThere } from './asked-messages.ts';
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
 * answered by the last one. `inReplyTo` is the last message of the turn's chat and thread that a row answers, or the last
 * there: by it the host knows where the row goes.
 *
 * @param messages of the turn that are not answered yet, oldest first.
 * @param home the message that the turn began with.
 * @throws TurnError when there is no reply, or one is too long.
 */
export function composeRows(
  messages: readonly TurnMessage[],
  replies: readonly Reply[],
  home: TurnMessage,
): ComposedRow[] {
  if (replies.length === 0) throw new TurnError('permanent', 'The provider ended the turn without a reply.');
  const asked = askedThere(home, messages);
  const listed = new Set(replies.flatMap((reply) => reply.answers ?? []));
  const left = messages.map((message) => message.id).filter((id) => !listed.has(id));
  return replies.map((reply, index) => {
    const answers = [...(reply.answers ?? []), ...(index === replies.length - 1 ? left : [])];
    const last = asked.findLast((message) => answers.includes(message.id)) ?? asked.at(-1) ?? home;
    return composeRow(reply, last.id, answers);
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
