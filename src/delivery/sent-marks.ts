import type { Clock } from '../clock.ts';
import type { SentMark } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  clock: Clock;
  log: Logger;
}

/** How long marks wait for company, in milliseconds: they are worth no commit of their own. */
const MARKS_MS = 100;
/** How long they wait when the ledger could not be written. */
const AGAIN_MS = 1_000;

/**
 * Sends that platforms have taken and the ledger does not know of yet. They ride along with the next rows that are
 * collected, or are written together after a moment. Those that a host takes with it to its grave are sent again under
 * the same key, or become `uncertain`.
 */
export function createSentMarks({ writer, clock, log }: Dependencies) {
  let marks: SentMark[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function wait(ms: number): void {
    if (!closed) timer ??= setTimeout(() => void flush(), ms);
  }

  function take(): SentMark[] {
    clearTimeout(timer);
    timer = undefined;
    const taken = marks;
    marks = [];
    return taken;
  }

  function giveBack(taken: readonly SentMark[]): void {
    marks.unshift(...taken);
    if (marks.length > 0) wait(AGAIN_MS);
  }

  async function flush(): Promise<void> {
    const taken = take();
    if (taken.length === 0) return;
    await writer.run('markSent', { events: taken, now: clock.now() }).catch((error: unknown) => {
      log.warn({ err: error, events: taken.length }, 'sent events could not be marked');
      giveBack(taken);
    });
  }

  return {
    add(mark: SentMark): void {
      marks.push(mark);
      wait(MARKS_MS);
    },
    /** Those that there are: the caller writes them, or gives them back. */
    take,
    giveBack,
    /** Writes what there is. */
    flush,
    async close(): Promise<void> {
      closed = true;
      await flush();
    },
  };
}

export type SentMarks = ReturnType<typeof createSentMarks>;
