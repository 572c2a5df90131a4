import { closeSync, type FSWatcher, openSync, readSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

/** Beneath the watch: file shares and sandboxed kernels swallow events. */
const SLOW_LOOK_MS = 2000;
/** Where no watch can be had. */
const FAST_LOOK_MS = 20;
/** A commit whose end we did not see is looked at after this long all the same. */
const COMMIT_MS = 20;

export interface InboundWatch {
  /** What the files look like from outside; no lock is touched. */
  glance(): Glance;
  close(): void;
}

export interface Glance {
  /** Differs when the files have changed, unless they did so twice within one tick of the file system's clock (4 to 10 ms). */
  signature: string;
  /** Unix milliseconds of the last change. */
  changedAt: number;
}

/**
 * Calls `onChange` soon after each commit to `inbound.db`, and now and then without one. Events come in the middle of
 * a commit as well; these are passed over, because reading then would make the host's commit fail on our lock.
 *
 * @param options.events false: no watch, only `stat`.
 */
export function watchInbound(
  inDir: string,
  onChange: () => void,
  options: { events: boolean },
): InboundWatch {
  const journal = join(inDir, 'inbound.db-journal');
  let look: NodeJS.Immediate | undefined;
  let lateLook: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  let ticks: NodeJS.Timeout;

  /** Events of one batch make one look. */
  const lookSoon = (): void => {
    look ??= setImmediate(() => {
      look = undefined;
      onChange();
    });
  };
  const onEvent = (_type: string, name: string | null): void => {
    if (name && !name.startsWith('inbound.db')) return;
    if (!commitRuns(journal)) lookSoon();
    else
      lateLook ??= setTimeout(() => {
        lateLook = undefined;
        onChange();
      }, COMMIT_MS);
  };
  const tick = (period: number): void => {
    clearInterval(ticks);
    ticks = setInterval(
      changeDetector(() => glance(inDir).signature, onChange),
      period,
    );
  };
  const withoutWatch = (): void => {
    watcher?.close();
    watcher = undefined;
    tick(FAST_LOOK_MS);
  };

  tick(SLOW_LOOK_MS);
  try {
    if (!options.events) throw new Error('not wanted');
    watcher = watch(inDir, onEvent).on('error', withoutWatch);
  } catch {
    withoutWatch();
  }
  return {
    glance: () => glance(inDir),
    close: () => {
      clearInterval(ticks);
      clearTimeout(lateLook);
      clearImmediate(look);
      watcher?.close();
    },
  };
}

/** Calls back when the signature has changed, and once more a period later: a second change may hide in the same clock tick. */
function changeDetector(read: () => string, onChange: () => void): () => void {
  let seen = '';
  let unsure = false;
  return () => {
    const now = read();
    const changed = now !== seen;
    if (changed || unsure) onChange();
    unsure = changed;
    seen = now;
  };
}

function glance(inDir: string): Glance {
  const files = ['inbound.db', 'inbound.db-journal'].map((name) =>
    statSync(join(inDir, name), { throwIfNoEntry: false }),
  );
  return {
    signature: files.map((file) => (file ? `${file.ino} ${file.size} ${file.mtimeMs}` : 'none')).join(', '),
    changedAt: Math.max(...files.map((file) => file?.mtimeMs ?? 0)),
  };
}

const header = Buffer.alloc(1);

/** A journal with a header is a commit under way, or one whose host was killed in it. Locks are not touched: they lie on the database. */
function commitRuns(journal: string): boolean {
  try {
    const file = openSync(journal, 'r');
    try {
      return readSync(file, header, 0, 1, 0) === 1 && header[0] !== 0;
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
}
