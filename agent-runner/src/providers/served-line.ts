import { readReply } from './command-output.ts';
import type { Reply } from './provider.ts';
import { TurnError } from './turn-error.ts';

/** What a served program says of a turn; see `agent-runner/README.md`. */
export interface ServedLine {
  turn: number;
  draft?: string;
  /** A tool begins, or (`null`) ends. */
  tool?: { name: string; quietMs: number } | null;
  reply?: Reply;
  /** Ids of follow-ups that the turn answers as well. */
  took?: string[];
  /** The turn failed, in words for the person who waits. */
  error?: TurnError;
  done: boolean;
}

const KEYS = ['draft', 'tool', 'text', 'files', 'silent', 'took', 'error', 'done'];
/** A tool that does not say how long it may be silent. */
const QUIET_MS = 60_000;
const LONGEST_SHOWN = 120;

/** @throws TurnError that says what is wrong with the line. */
export function readServedLine(line: string): ServedLine {
  const said = toObject(line);
  const { turn, draft, tool, took, error, done = false } = said;
  if (typeof turn !== 'number') throw wrong(line, 'has no "turn": the number that came with the messages');
  if (!KEYS.some((key) => Object.hasOwn(said, key)))
    throw wrong(line, `has none of the keys ${KEYS.join(', ')}`);
  if (typeof done !== 'boolean') throw wrong(line, 'has a "done" that is neither true nor false');
  const read: ServedLine = { turn, done };
  if (draft !== undefined) read.draft = textOf(draft, line, 'draft');
  if (tool !== undefined) read.tool = readTool(said, line);
  if (took !== undefined) read.took = readIds(took, line);
  if (error !== undefined)
    read.error = new TurnError(said.retry === true ? 'transient' : 'permanent', textOf(error, line, 'error'));
  if (['text', 'files', 'silent'].some((key) => Object.hasOwn(said, key)))
    read.reply = readReply(said, where(line));
  return read;
}

function toObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw wrong(line, 'is not a JSON object. What is not meant for the person belongs on stderr');
}

function readTool(said: Record<string, unknown>, line: string): { name: string; quietMs: number } | null {
  const { tool, quietMs = QUIET_MS } = said;
  if (tool === null) return null;
  if (typeof quietMs !== 'number' || !(quietMs >= 0)) throw wrong(line, 'has a "quietMs" that is no number');
  return { name: textOf(tool, line, 'tool'), quietMs };
}

function readIds(took: unknown, line: string): string[] {
  if (Array.isArray(took) && took.every((id) => typeof id === 'string')) return took;
  throw wrong(line, 'has a "took" that is no list of ids');
}

function textOf(value: unknown, line: string, key: string): string {
  if (typeof value === 'string') return value;
  throw wrong(line, `has a "${key}" that is no text`);
}

function wrong(line: string, words: string): TurnError {
  return new TurnError('permanent', `${where(line)} ${words}.`);
}

function where(line: string): string {
  const shown = line.length > LONGEST_SHOWN ? `${line.slice(0, LONGEST_SHOWN)}…` : line;
  return `The program printed the line ${JSON.stringify(shown)}, which`;
}
