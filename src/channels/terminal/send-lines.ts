import type { Readable } from 'node:stream';
import { BerthError } from '../../errors.ts';
import type { Conversation } from './conversation.ts';
import { readLines } from './read-lines.ts';

interface SendLinesOptions {
  messages: Readable | string[];
  conversation: Conversation;
  /** Called with a message's own error; the next one is sent all the same. */
  onError: (error: unknown) => void;
}

/** Errors that are the fault of one message and say nothing about the next. */
const OF_ONE_MESSAGE = ['E_TOO_LARGE', 'E_BAD_REQUEST', 'E_BAD_NAME'];

/**
 * Sends each line as a message, in order, and waits until all are answered. Throws the first error that is
 * not the fault of one message only, once the messages before it are answered.
 */
export async function sendLines({ messages, conversation, onError }: SendLinesOptions): Promise<void> {
  try {
    for await (const text of Array.isArray(messages) ? messages : readLines(messages, onError)) {
      try {
        await askPatiently(conversation, text);
      } catch (error) {
        if (!(error instanceof BerthError && OF_ONE_MESSAGE.includes(error.code))) throw error;
        onError(error);
      }
    }
  } finally {
    await conversation.idle();
  }
}

/** A full queue is no error as long as answers to our own messages make room in it. */
async function askPatiently(conversation: Conversation, text: string): Promise<void> {
  for (;;) {
    try {
      return await conversation.ask(text);
    } catch (error) {
      const isFull = error instanceof BerthError && error.code === 'E_QUEUE_FULL';
      if (!isFull || conversation.waiting() === 0) throw error;
      await conversation.progress();
    }
  }
}
