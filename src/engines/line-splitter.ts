import { StringDecoder } from 'node:string_decoder';

/** Longest line that is kept whole, in characters; the rest of a longer one is dropped, because its writer may be hostile. */
const MAX_LINE = 16_384;

/** Cuts a stream of bytes into lines, whatever the pieces in which it comes. */
export class LineSplitter {
  #decoder = new StringDecoder('utf8');
  #rest = '';
  #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const [first = '', ...others] = this.#decoder.write(chunk).split('\n');
    this.#append(first);
    for (const part of others) {
      this.#emit();
      this.#append(part);
    }
  }

  /** Hands out what came after the last line break. */
  end(): void {
    this.#append(this.#decoder.end());
    if (this.#rest !== '') this.#emit();
  }

  #append(text: string): void {
    if (this.#rest.length < MAX_LINE) this.#rest = (this.#rest + text).slice(0, MAX_LINE);
  }

  #emit(): void {
    const line = this.#rest.endsWith('\r') ? this.#rest.slice(0, -1) : this.#rest;
    this.#rest = '';
    this.#onLine(line);
  }
}
