import type { Writable } from 'node:stream';
import { BerthError } from '../../errors.ts';
import type { TerminalView } from './terminal-view.ts';

interface PlainViewOptions {
  output: Writable;
  errorOutput: Writable;
  /** Called when nobody reads the output any more. */
  onGone: () => void;
}

/** For pipes: the texts of the replies alone on the output, all else on the error output. */
export function createPlainView({ output, errorOutput, onGone }: PlainViewOptions): TerminalView {
  output.on('error', onGone); // EPIPE: the reader has had enough
  errorOutput.on('error', () => {});

  return {
    async reply(text, isOurs) {
      await write(isOurs ? output : errorOutput, text.endsWith('\n') ? text : `${text}\n`);
    },
    aside(line) {
      errorOutput.write(`${line}\n`);
    },
    close() {},
  };
}

function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error) reject(new BerthError('E_STOPPING', 'nobody reads the output any more', error));
      else resolve();
    });
  });
}
