import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BerthError } from '../../errors.ts';
import { draftLines } from './draft-lines.ts';
import type { TerminalView } from './terminal-view.ts';

/** Makes the terminal mark what is pasted, so that several pasted lines can be told from several messages. */
const MARK_PASTES = '\x1b[?2004h';
const LEAVE_PASTES = '\x1b[?2004l';

interface InteractiveViewOptions {
  input: Readable;
  output: Writable & { columns?: number; rows?: number };
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
  /** What is being written: the rows right above the prompt. */
  let draft: string[] = [];

  function takeLine(line: string): void {
    pasted.push(line);
    if (draft.length > 0) moveDraftBelow(line);
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

  /** Writes a text, if there is one, and below it what is being written. */
  function show(text: string | undefined, nextDraft: string[]): void {
    if (!isOpen) {
      if (text !== undefined) output.write(`${text}\n`);
      return;
    }
    const { line, cursor } = lines;
    lines.write(null, { ctrl: true, name: 'e' });
    lines.write(null, { ctrl: true, name: 'u' });
    cursorTo(output, 0);
    moveCursor(output, 0, -draft.length);
    clearScreenDown(output);
    draft = nextDraft;
    for (const row of text === undefined ? draft : [text, ...draft]) output.write(`${row}\n`);
    lines.prompt();
    lines.write(line);
    while (lines.cursor > cursor) lines.write(null, { ctrl: true, name: 'b' });
  }

  /** What was typed stands below the draft now, and belongs above it. */
  function moveDraftBelow(typed: string): void {
    const row = `${title}> ${typed}`;
    const typedRows = Math.floor(row.length / columns()) + 1;
    moveCursor(output, 0, -(draft.length + typedRows));
    clearScreenDown(output);
    for (const one of [row, ...draft]) output.write(`${one}\n`);
  }

  function columns(): number {
    return output.columns || 80;
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
      show(`${title}: ${text.trimEnd()}`, []);
    },
    draft: (text, tool) =>
      show(undefined, draftLines({ title, text, tool }, { columns: columns(), rows: output.rows || 24 })),
    aside: (line) => show(line, draft),
    close() {
      if (isOpen) lines.close();
    },
  };
}
