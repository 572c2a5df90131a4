import { oneLine, printable } from './printable.ts';

/** More lines of it are not shown: the rest scrolled by, and the whole text comes with the reply. */
const MOST_LINES = 12;
/** What stays free of it on a small terminal: the prompt, and what was said before. */
const ROWS_LEFT = 4;

/**
 * The end of a text that is being written, and the tool in flight, as lines that fit the terminal: each takes one row
 * of it, so that they can be taken back. Pure.
 */
export function draftLines(
  draft: { title: string; text: string; tool: string | null },
  terminal: { columns: number; rows: number },
): string[] {
  const most = Math.max(1, Math.min(MOST_LINES, terminal.rows - ROWS_LEFT));
  const text = printable(draft.text).replace(/\t/g, '  ').trimEnd();
  const said = text === '' ? '' : `${draft.title}: ${text}`;
  // Only the end is shown: of a long text the rest need not be measured.
  const end = said.slice(-most * terminal.columns);
  const lines = end.split('\n').flatMap((line) => cut(line, terminal.columns - 1));
  const tool = draft.tool === null ? [] : cut(`[${oneLine(draft.tool)} …]`, terminal.columns - 1).slice(0, 1);
  const shown = said === '' ? [] : lines;
  return [...shown.slice(-Math.max(1, most - tool.length)), ...tool];
}

/** Wide letters take two columns; whatever may be wide is counted so. */
function cut(line: string, columns: number): string[] {
  const pieces = [''];
  let width = 0;
  for (const letter of line) {
    const wide = (letter.codePointAt(0) ?? 0) > 0x10ff ? 2 : 1;
    if (width + wide > columns) {
      pieces.push('');
      width = 0;
    }
    pieces.push(`${pieces.pop()}${letter}`);
    width += wide;
  }
  return pieces;
}
