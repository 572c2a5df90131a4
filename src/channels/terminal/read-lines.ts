import type { Readable } from 'node:stream';
import { BerthError } from '../../errors.ts';

/** Longest line in characters. */
const MAX_LINE = 1024 * 1024;

/**
 * The lines of a pipe, without blank ones. Only `\n` ends a line (`node:readline` also splits at U+2028, which
 * belongs to the text). A line past 1 MiB is left out: `onError` gets `E_TOO_LARGE`.
 */
export async function* readLines(
  input: Readable,
  onError: (error: BerthError) => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let isTooLong = false;

  function take(line: string): string[] {
    const wasTooLong = isTooLong || line.length > MAX_LINE;
    isTooLong = false;
    if (wasTooLong) onError(new BerthError('E_TOO_LARGE', 'a line of the input is longer than 1 MiB'));
    const text = line.replace(/\r$/, '');
    return wasTooLong || text.trim() === '' ? [] : [text];
  }

  for await (const chunk of input) {
    const lines = (rest + decoder.decode(Buffer.from(chunk), { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines.flatMap(take);
    if (rest.length > MAX_LINE) {
      isTooLong = true;
      rest = '';
    }
  }
  yield* take(rest + decoder.decode());
}
