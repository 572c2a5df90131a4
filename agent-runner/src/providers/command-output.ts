import type { Reply } from './provider.ts';
import { TurnError } from './turn-error.ts';

const KNOWN_KEYS = ['text', 'files', 'silent', 'draft'];

/**
 * What a program printed, as replies. Plain text is one reply. When the first line that is not blank is a JSON object
 * with `text`, `files` or `silent`, every line is one: `{"text"?, "files"?: [{"path", "name"?}], "silent"?: true}`.
 *
 * @throws TurnError when nothing was printed, or a later line is not of that form.
 */
export function parseOutput(output: string): Reply[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const [first] = lines;
  if (first === undefined) throw new TurnError('permanent', 'The program printed nothing.');
  if (!asObject(first)) return [{ text: output.trim() }];
  const replies = lines.map((line, index) => toReply(asObject(line), index + 1));
  const spoken = replies.filter((reply) => !reply.silent);
  return spoken.length > 0 ? spoken : [{ text: '', silent: true }];
}

/** A line that is a JSON object with one of our keys. */
export function asObject(line: string): Record<string, unknown> | undefined {
  if (!line.trimStart().startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    return KNOWN_KEYS.some((key) => Object.hasOwn(value, key)) ? value : undefined;
  } catch {
    return undefined;
  }
}

function toReply(line: Record<string, unknown> | undefined, number: number): Reply {
  return readReply(line, `Line ${number} of what the program printed`);
}

/**
 * A reply as a program writes it.
 * @param where what the error's words begin with.
 * @throws TurnError when it is of another form.
 */
export function readReply(line: Record<string, unknown> | undefined, where: string): Reply {
  const wrong = (words: string): TurnError => new TurnError('permanent', `${where} ${words}.`);
  if (!line) throw wrong('is not a JSON object with text, files or silent');
  const { text = '', files = [], silent } = line;
  if (silent === true) return { text: '', silent: true };
  if (typeof text !== 'string') throw wrong('has a "text" that is not a string');
  if (!Array.isArray(files) || !files.every(isFile))
    throw wrong('has "files" that are not a list of {"path", "name"?}');
  if (text.trim() === '' && files.length === 0) throw wrong('says nothing');
  return { text, files };
}

function isFile(value: unknown): value is { path: string; name?: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { path, name } = value as { path?: unknown; name?: unknown };
  return typeof path === 'string' && path !== '' && (name === undefined || typeof name === 'string');
}
