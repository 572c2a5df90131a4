import { clearLine, createInterface, cursorTo } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BerthError } from '../../errors.ts';
import type { TerminalView } from './terminal-view.ts';

/** Makes the terminal mark what is pasted, so that several pasted lines can be told from several messages. */
const MARK_PASTES = '\x1b[?2004h';
const LEAVE_PASTES = '\x1b[?2004l';

interface InteractiveViewOptions {
  input: Readable;
  output: Writable;
  /** Name of the group, in the prompt and before its replies. */
  title: string;
  onMessage: (text: string) => void;
  /** Called once: `/quit`, Ctrl-C, Ctrl-D, or a terminal that is gone. */
  onLeave: () => void;
}

/** For people: a prompt, and replies above it that leave alone what is being typed. */
export function createInteractiveView({
  input,
  output,
  title,
  onMessage,
  onLeave,
}: InteractiveViewOptions): TerminalView {
  const lines = createInterface({ input, output, prompt: `${title}> `, terminal: true });
  let pasted: string[] = [];
  let isPasting = false;
  let isOpen = true;

  function takeLine(line: string): void {
    pasted.push(line);
    if (isPasting) return;
    const text = pasted.join('\n').trim();
    pasted = [];
    if (text === '/quit') {
      lines.close();
      return;
    }
    if (text !== '') onMessage(text);
    lines.prompt();
  }

  function show(text: string): void {
    if (!isOpen) {
      output.write(`${text}\n`);
      return;
    }
    const { line, cursor } = lines;
    lines.write(null, { ctrl: true, name: 'e' });
    lines.write(null, { ctrl: true, name: 'u' });
    cursorTo(output, 0);
    clearLine(output, 0);
    output.write(`${text}\n`);
    lines.prompt();
    lines.write(line);
    while (lines.cursor > cursor) lines.write(null, { ctrl: true, name: 'b' });
  }

  input.on('keypress', (_letters: string | undefined, key: { name?: string }) => {
    if (key.name === 'paste-start' || key.name === 'paste-end') isPasting = key.name === 'paste-start';
  });
  output.on('error', () => lines.close());
  lines.on('line', takeLine);
  lines.on('SIGINT', () => lines.close());
  lines.on('close', () => {
    isOpen = false;
    if (!output.destroyed) output.write(`${LEAVE_PASTES}\n`);
    onLeave();
  });
  output.write(`${MARK_PASTES}A talk with ${title}. /quit or Ctrl-D leaves.\n`);
  lines.prompt();

  return {
    async reply(text) {
      if (output.destroyed) throw new BerthError('E_STOPPING', 'the terminal is gone');
      show(`${title}: ${text.trimEnd()}`);
    },
    aside: show,
    close() {
      if (isOpen) lines.close();
    },
  };
}
