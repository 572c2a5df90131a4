/** A row's body has at most 1 MiB; the rest is room for ids and files. What a person may say, a reply may repeat. */
export const LONGEST_TEXT_BYTES: number = 960 * 1024;

/** True: as JSON, the text has more bytes than one message may have. */
export function isTooLong(text: string): boolean {
  // A character takes six bytes at most.
  return text.length * 6 > LONGEST_TEXT_BYTES && Buffer.byteLength(JSON.stringify(text)) > LONGEST_TEXT_BYTES;
}
