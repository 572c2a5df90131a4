import type { ChatEvent } from '../channel.ts';

/** What a caller gets of an event. These names are a promise: programs read them. */
export type EventData =
  | (Pick<ChatEvent, 'event' | 'id' | 'inReplyTo' | 'answers' | 'thread' | 'text' | 'files' | 'createdAt'> & {
      /** Only of a question. */
      question?: NonNullable<ChatEvent['question']>;
    })
  | Pick<ChatEvent, 'event' | 'inReplyTo' | 'answers' | 'code' | 'reason'>;

/** The part of an event that goes over the wire. */
export function eventData(chatEvent: ChatEvent): EventData {
  const { event, inReplyTo, answers } = chatEvent;
  if (chatEvent.type === 'failure')
    return { event, inReplyTo, answers, code: chatEvent.code, reason: chatEvent.reason };
  const { id, thread, text, files, question, createdAt } = chatEvent;
  return { event, id, inReplyTo, answers, thread, text, files, ...(question && { question }), createdAt };
}
