import { stripVTControlCharacters } from 'node:util';

/**
 * The text without what a terminal would obey: an agent's words must not move the cursor, rename the window
 * or write to the clipboard of the person who reads them. Line ends and tabs stay.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text.replace(/\r\n/g, '\n')).replace(/[^\P{Cc}\n\t]/gu, '');
}

/** The same in one line. */
export function oneLine(text: string): string {
  return printable(text).replace(/\s+/g, ' ').trim();
}
