import type { TurnMessage } from '../providers/provider.ts';

/** Keys of `memory` under which questions are kept begin so. */
export const QUESTION = 'question:';

/** A question as it is kept, for when its answer comes in a later turn. */
export interface KeptQuestion {
  text: string;
  options: string[];
  /** Unix milliseconds. */
  at: number;
}

/**
 * The id of a question follows from the message that is being worked on and from its words, so that a turn that is repeated
 * asks nobody twice.
 */
export function questionId(message: string, words: unknown): string {
  return `q_${process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(JSON.stringify([message, words]))
    .digest('hex')
    .slice(0, 24)}`;
}

/** A question that was asked, for as long as it is kept. @param recall reads `memory`. */
export function keptQuestion(
  recall: (key: string) => string | undefined,
  id: string,
): KeptQuestion | undefined {
  const kept = recall(QUESTION + id);
  return kept === undefined ? undefined : (JSON.parse(kept) as KeptQuestion);
}

/** Questions of the running turn on whose answer a call waits. */
export class OpenQuestions {
  readonly #waiting = new Map<string, Set<(answer: string | undefined) => void>>();

  /** True for a message that a call waits for. */
  awaits(question: string | undefined): boolean {
    return question !== undefined && this.#waiting.has(question);
  }

  /** @returns the answer's text; `undefined` when none came in that time, or the asker is gone. */
  async wait(question: string, waitMs: number, signal: AbortSignal): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const waiting = this.#waiting.get(question) ?? new Set();
    this.#waiting.set(question, waiting.add(resolve));
    const leave = (): void => resolve(undefined);
    const timer = setTimeout(leave, waitMs);
    signal.addEventListener('abort', leave);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(question);
    }
  }

  hear({ answers = '', text }: Pick<TurnMessage, 'answers' | 'text'>): void {
    for (const resolve of this.#waiting.get(answers) ?? []) resolve(text);
  }

  /** The turn is over: nobody waits any more. */
  close(): void {
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve(undefined);
    this.#waiting.clear();
  }
}
