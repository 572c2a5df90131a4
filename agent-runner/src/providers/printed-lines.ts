import { asObject } from './command-output.ts';
import { MOST_OUTPUT_BYTES } from './command-process.ts';

/**
 * What a program prints, with its drafts taken out as they come: `{"draft": "…"}`, alone on a line. They are looked for only
 * in output whose first line is a JSON object of ours; any other is plain text, whatever comes in it.
 */
export class PrintedLines {
  readonly #onDraft: (text: string) => void;
  readonly #decoder = new TextDecoder();
  readonly #lines: string[] = [];
  #rest = '';
  #bytes = 0;
  /** Undefined until the first line that is not blank. */
  #isJson: boolean | undefined;

  constructor(onDraft: (text: string) => void) {
    this.#onDraft = onDraft;
  }

  /** @returns false when it has become too much, drafts not counted; what comes after that is not kept. */
  take(chunk: Buffer): boolean {
    if (this.#bytes > MOST_OUTPUT_BYTES) return false;
    this.#bytes += chunk.length;
    if (this.#isJson === false) {
      this.#rest += this.#decoder.decode(chunk, { stream: true });
    } else {
      const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#takeLine(line);
    }
    return this.#bytes <= MOST_OUTPUT_BYTES;
  }

  text(): string {
    const rest = this.#rest + this.#decoder.decode();
    const isDraft = this.#isJson !== false && this.#draftIn(rest) !== undefined;
    return [...this.#lines, ...(isDraft ? [] : [rest])].join('\n');
  }

  #takeLine(line: string): void {
    const draft = this.#isJson === false ? undefined : this.#draftIn(line);
    if (draft === undefined) {
      this.#lines.push(line);
      return;
    }
    this.#bytes -= Buffer.byteLength(line) + 1;
    this.#onDraft(draft);
  }

  #draftIn(line: string): string | undefined {
    if (line.trim() === '') return undefined;
    const object = asObject(line);
    this.#isJson ??= object !== undefined;
    return typeof object?.draft === 'string' ? object.draft : undefined;
  }
}
