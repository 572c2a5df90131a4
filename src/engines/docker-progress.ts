import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { BerthError } from '../errors.ts';
import { LineSplitter } from './line-splitter.ts';

/** Who prints more than this a second is read slower, and so prints slower: a flood must not keep the host busy. */
const BYTES_A_SECOND = 1024 * 1024;

interface Reading {
  what: string;
  /** Longest silence, in milliseconds. */
  idleMs: number;
  onLine: (line: string) => void;
}

interface Message {
  /** From a build: output, in pieces that are not lines. */
  stream?: string;
  /** From a pull: what happens to a layer. */
  status?: string;
  id?: string;
  progress?: string;
  error?: string;
  errorDetail?: { message?: string };
}

/**
 * Reads the messages of a build, pull or import to their end and hands out their text line by line.
 * @throws E_ENGINE_REFUSED with the engine's words; E_ENGINE_UNREACHABLE after a silence or a broken connection.
 */
export async function readProgress(
  stream: NodeJS.ReadableStream,
  { what, idleMs, onLine }: Reading,
): Promise<void> {
  const source = stream as Readable;
  let failure: string | undefined;
  const text = new LineSplitter((coloured) => {
    const line = stripVTControlCharacters(coloured).trim();
    if (line !== '') onLine(line);
  });
  const messages = new LineSplitter((line) => {
    const message = parse(line);
    failure ??= message.errorDetail?.message ?? message.error;
    if (message.stream !== undefined) text.push(Buffer.from(message.stream));
    if (message.status !== undefined)
      onLine([message.id, message.status, message.progress].filter(Boolean).join(' '));
  });
  const silent = new BerthError(
    'E_ENGINE_UNREACHABLE',
    `${what}: nothing was heard for ${Math.round(idleMs / 1000)} s`,
  );
  const timer = setTimeout(() => source.destroy(silent), idleMs);
  let second = { began: performance.now(), bytes: 0 };
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      timer.refresh();
      messages.push(chunk);
      const passed = performance.now() - second.began;
      if (passed > 1000) second = { began: performance.now(), bytes: 0 };
      second.bytes += chunk.length;
      if (second.bytes > BYTES_A_SECOND) await wait(1000 - Math.min(passed, 999));
    }
  } catch (error) {
    throw error === silent
      ? silent
      : new BerthError('E_ENGINE_UNREACHABLE', `${what}: the connection to the engine broke`, error);
  } finally {
    clearTimeout(timer);
    messages.end();
    text.end();
  }
  if (failure) throw new BerthError('E_ENGINE_REFUSED', `${what}: ${failure.trim()}`);
}

function parse(line: string): Message {
  try {
    return JSON.parse(line) as Message;
  } catch {
    return {};
  }
}
