import { BerthError } from '../errors.ts';

const LONGEST = 200;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f/\\]/;

/**
 * Names and ids that people and platforms choose: of chats, threads, messages, senders, files.
 * @throws E_BAD_NAME naming the field.
 */
export function checkName(field: string, value: string): string {
  if (value.length === 0 || value.length > LONGEST) {
    throw new BerthError(
      'E_BAD_NAME',
      `${field} has ${value.length} characters, 1 to ${LONGEST} are allowed`,
    );
  }
  if (FORBIDDEN.test(value))
    throw new BerthError('E_BAD_NAME', `${field} has a slash or a control character`);
  if (value === '.' || value.includes('..')) throw new BerthError('E_BAD_NAME', `${field} has ".." in it`);
  if (!value.isWellFormed()) throw new BerthError('E_BAD_NAME', `${field} is not well-formed Unicode`);
  return value;
}
