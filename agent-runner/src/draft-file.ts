import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The file is replaced at most so often, in milliseconds: ten times a second. */
const PERIOD_MS = 100;
const MOST_BYTES = 64 * 1024;
const LONGEST_TOOL = 200;
const FILE = 'draft.json';

interface Draft {
  message_id: string;
  text: string;
  tool: string | null;
}

/**
 * `out/draft.json`: what the running turn says so far, for whoever watches. It is no part of the reply: nothing waits for
 * it, it is not synced, and where it cannot be written the turn goes on without it.
 */
export class DraftFile {
  readonly #folder: string;
  readonly #log: (line: string) => void;
  #next: Draft | undefined;
  #timer: NodeJS.Timeout | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #isThere = false;
  #closed = false;

  constructor(deps: { outDir: string; log(line: string): void }) {
    this.#folder = deps.outDir;
    this.#log = deps.log;
  }

  /** Shows it now, or as soon as the pace allows; of several that come too fast only the last is shown. */
  show(draft: Draft): void {
    if (this.#closed) return;
    this.#next = draft;
    if (this.#timer) return;
    const wait = this.#shownAt + PERIOD_MS - performance.now();
    if (wait <= 0) this.#write();
    else this.#timer = setTimeout(() => this.#write(), wait);
  }

  /** The turn is over: what was shown is void. */
  end(): void {
    clearTimeout(this.#timer);
    this.#closed = true;
    if (this.#isThere) removeDraft(this.#folder, this.#log);
  }

  #write(): void {
    this.#timer = undefined;
    if (!this.#next) return;
    const path = join(this.#folder, FILE);
    try {
      writeFileSync(`${path}.new`, draftJson(this.#next));
      renameSync(`${path}.new`, path);
      this.#isThere = true;
    } catch (error) {
      this.#closed = true;
      this.#log(`drafts of this turn are not shown: ${(error as Error).message}`);
    }
    this.#shownAt = performance.now();
    this.#next = undefined;
  }
}

/** Removes what a turn left behind, if it did. */
export function removeDraft(outDir: string, log: (line: string) => void): void {
  try {
    rmSync(join(outDir, FILE), { force: true });
  } catch (error) {
    log(`the draft cannot be removed: ${(error as Error).message}`);
  }
}

/** A text that is too long loses its beginning: what is being written now is at its end. */
function draftJson({ message_id, text, tool }: Draft): string {
  const rest = { message_id, tool: tool === null ? null : tool.slice(0, LONGEST_TOOL) };
  for (let kept = Math.min(text.length, MOST_BYTES); ; kept = Math.floor(kept / 2)) {
    const end = kept === text.length ? text : `…${text.slice(text.length - kept)}`;
    const json = JSON.stringify({ ...rest, text: end.toWellFormed() });
    if (Buffer.byteLength(json) <= MOST_BYTES) return json;
  }
}
