import { BerthError } from '../../errors.ts';
import type { ChatAddress, ChatEvent, Host } from '../channel.ts';
import { answerTo } from './open-question.ts';

/** How often it is looked whether the agent chose to say nothing, in milliseconds. */
const SILENCE_LOOK_MS = 1_000;

/** The messages that were sent from here, and which of them wait for an answer. */
export interface Conversation {
  /** Sends a message. Resolves once it is durable; throws what the host throws. */
  ask(text: string): Promise<void>;
  /** Resolves when no message is on its way to the host: an answer can be quicker than the word of its acceptance. */
  accepting(): Promise<void>;
  /** Whether the event answers, or follows, a message from here. */
  concerns(event: ChatEvent): boolean;
  /** Takes the messages that the event answers off those that wait; what it asks is answered by the next fitting line. */
  settle(event: ChatEvent): void;
  waiting(): number;
  /** Resolves when the next message is answered. */
  progress(): Promise<void>;
  /** Resolves when no message waits. */
  idle(): Promise<void>;
}

/** Keeps the account of one talk; `onAsked` is called after each message that was accepted. */
export function createConversation(
  host: Host,
  address: ChatAddress,
  { onAsked }: { onAsked: () => void },
): Conversation {
  const ours = new Set<string>();
  /** Message to session. */
  const waiting = new Map<string, string>();
  let accepting = Promise.resolve();
  let next = Promise.withResolvers<void>();
  /** Number of the last event that was shown here, or was there before the first message. */
  let lastEvent: number | undefined;
  /** The agent's last question, until it is answered. */
  let question: ChatEvent['question'] = null;

  async function accept(text: string): Promise<void> {
    lastEvent ??= newestEvent();
    const { message, session } = await acceptAnswer(text);
    ours.add(message);
    waiting.set(message, session);
    onAsked();
  }

  /** What answers the open question closes it; a question that the host does not know is none. */
  async function acceptAnswer(text: string) {
    const said = { ...address, sender: { id: 'terminal' }, text };
    const asked = question;
    const answer = asked ? answerTo(asked, text) : undefined;
    if (!asked || answer === undefined) return host.accept(said);
    try {
      const accepted = await host.accept({ ...said, text: answer, answers: asked.id });
      if (question === asked) question = null;
      return accepted;
    } catch (error) {
      if (!(error instanceof BerthError && error.code === 'E_QUESTION_UNKNOWN')) throw error;
      question = null;
      return host.accept(said);
    }
  }

  function answered(messages: string[]): void {
    for (const message of messages) waiting.delete(message);
    next.resolve();
    next = Promise.withResolvers();
  }

  function newestEvent(): number {
    return host.events(address, Number.MAX_SAFE_INTEGER, 1).last;
  }

  /**
   * A turn may be answered by silence, of which there is no event. So it was when the ledger holds no message
   * without an answer, and no event that has yet to come here; in this order, as both change in one transaction.
   */
  function lookForSilence(): void {
    try {
      const sessions = [...new Set(waiting.values())];
      const isAnswered = sessions.every((session) => host.session(session).queue === 0);
      if (isAnswered && newestEvent() <= (lastEvent ?? 0)) answered([...waiting.keys()]);
    } catch {
      // A ledger that cannot be read now, or a session that is gone: the next look, or the end of the host, tells.
    }
  }

  async function progress(): Promise<void> {
    const timer = setInterval(lookForSilence, SILENCE_LOOK_MS).unref();
    await next.promise.finally(() => clearInterval(timer));
  }

  return {
    async ask(text) {
      const asked = accept(text);
      accepting = asked.catch(() => {});
      await asked;
    },
    accepting: () => accepting,
    concerns: ({ inReplyTo, answers }) => [inReplyTo, ...answers].some((id) => id !== null && ours.has(id)),
    settle({ type, event, inReplyTo, answers, question: asked }) {
      question = asked ?? question;
      lastEvent = Math.max(lastEvent ?? 0, event);
      // A failure names the message that failed, whether or not it lists it.
      answered(type === 'failure' && inReplyTo !== null ? [...answers, inReplyTo] : answers);
    },
    waiting: () => waiting.size,
    progress,
    async idle() {
      while (waiting.size > 0) await progress();
    },
  };
}
