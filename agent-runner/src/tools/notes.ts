import type { OutboundWriter } from '../write-outbound.ts';

const MOST_NOTES = 100;
const LONGEST_NOTE_BYTES = 4096;

/** The agent's own small notes, which outlive a conversation. @throws Error in words for the agent. */
export function keepNote(writer: OutboundWriter, key: string, text: string | null): void {
  if (text === null) {
    writer.remember(noteKey(key), null);
    return;
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > LONGEST_NOTE_BYTES)
    throw new Error(
      `The note has ${bytes} bytes, ${LONGEST_NOTE_BYTES} are allowed. Longer text belongs into a file.`,
    );
  const known = writer.notes();
  if (!Object.hasOwn(known, key) && Object.keys(known).length >= MOST_NOTES)
    throw new Error(
      `There are ${MOST_NOTES} notes, and no more are kept. Forget one first: an empty text does.`,
    );
  writer.remember(noteKey(key), text);
}

function noteKey(key: string): string {
  return `note:${key}`;
}
