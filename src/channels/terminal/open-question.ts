import type { ChatEvent } from '../channel.ts';
import { oneLine } from './printable.ts';

type Question = NonNullable<ChatEvent['question']>;

/** The options of a question, numbered, a line for each. */
export function optionLines({ options }: Question): string[] {
  return options.map((option, index) => `  ${index + 1}. ${oneLine(option)}`);
}

/**
 * The answer that a typed line is: an option by its number or its text. A question without options is answered by whatever is
 * typed next. Pure.
 */
export function answerTo({ options }: Question, line: string): string | undefined {
  const typed = line.trim();
  if (options.length === 0) return typed.startsWith('/') ? undefined : line;
  const byNumber = /^\d{1,2}$/.test(typed) ? options[Number(typed) - 1] : undefined;
  const same = (option: string): boolean => oneLine(option).toLowerCase() === oneLine(typed).toLowerCase();
  return options.find(same) ?? byNumber;
}
