import { closeSync, type FSWatcher, openSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Beneath the watch: file shares and sandboxed kernels swallow events. */
const SLOW_LOOK_MS = 2000;
/** Where no watch can be had. */
const FAST_LOOK_MS = 20;
/** A commit whose end we did not see is looked at after this long all the same. */
const COMMIT_MS = 20;

export interface InboundWatch {
  /** Number of the last commit to `inbound.db`; it differs whenever something was written. No lock is touched. */
  counter(): number;
  close(): void;
}

/**
 * Calls `onChange` right after each commit to `inbound.db`, from events where they can be had and by timer beneath.
 *
 * Events alone say too much. They come in the middle of a commit, when reading would make the host's commit fail on our
 * lock; and reading as root makes one by itself (SQLite then sets the journal's owner), which would call for the next
 * look for ever. So each event leads to a glance at SQLite's own change counter, and at the journal, whose header is
 * emptied when a commit has ended. Only the file is watched, which the host touches after each commit: the journal has eight
 * more events. The descriptor of the glance stays open: closing it would drop SQLite's locks.
 *
 * @param options.events false: no watch, only a timer.
 */
export function watchInbound(
  inDir: string,
  onChange: () => void,
  options: { events: boolean },
): InboundWatch {
  const path = join(inDir, 'inbound.db');
  const file = openSync(path, 'r');
  const journal = `${path}-journal`;
  let seen = -1;
  let look: NodeJS.Immediate | undefined;
  let lateLook: NodeJS.Timeout | undefined;
  let ticks: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;

  const change = (): void => {
    clearTimeout(lateLook);
    lateLook = undefined;
    look = undefined;
    seen = readCounter(file);
    onChange();
  };
  const glance = (): void => {
    if (readCounter(file) === seen) return;
    // Events of one batch make one look.
    if (commitRuns(journal)) lateLook ??= setTimeout(change, COMMIT_MS);
    else look ??= setImmediate(change);
  };
  const glanceEvery = (ms: number): void => {
    clearInterval(ticks);
    ticks = setInterval(glance, ms);
  };
  const withoutWatch = (): void => {
    watcher?.close();
    watcher = undefined;
    glanceEvery(FAST_LOOK_MS);
  };

  glanceEvery(SLOW_LOOK_MS);
  try {
    if (!options.events) throw new Error('not wanted');
    watcher = watch(path, glance);
    watcher.on('error', withoutWatch);
  } catch {
    withoutWatch();
  }
  return {
    counter: () => readCounter(file),
    close: () => {
      clearInterval(ticks);
      clearTimeout(lateLook);
      clearImmediate(look);
      watcher?.close();
      closeSync(file);
    },
  };
}

const bytes = Buffer.alloc(4);
const COUNTER_OFFSET = 24;

function readCounter(file: number): number {
  readSync(file, bytes, 0, 4, COUNTER_OFFSET);
  return bytes.readUInt32BE();
}

/** A journal with a header is a commit under way, or one whose host was killed in it. Locks lie on the database, not here. */
function commitRuns(journal: string): boolean {
  try {
    const file = openSync(journal, 'r');
    try {
      return readSync(file, bytes, 0, 1, 0) === 1 && bytes[0] !== 0;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
