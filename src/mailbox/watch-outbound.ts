import { closeSync, constants, type FSWatcher, openSync, readSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';

/** So many events within a second without any row behind them take a watch off for a while: a flood. */
const FLOOD_EVENTS = 2000;
const FLOOD_WINDOW_MS = 1000;
const WATCH_PAUSE_MS = 5000;
/** A commit whose end was not seen is looked at after this long all the same, in milliseconds. */
const COMMIT_MS = 20;
/**
 * How long a look waits, in milliseconds, after what is most likely the commit of a claim: nobody waits for that, and a
 * reader in the way of the reply's commit costs its writer a whole millisecond (SQLite's shortest wait for a lock).
 */
const CLAIM_MS = 25;

export interface OutboundWatch {
  /** The last look found something new: the events were worth their cost. */
  fruitful(): void;
  /** The container is paused and writes nothing: no more looks by timer. File events are still heard, and cost nothing. */
  rest(): void;
  /** Undoes `rest`. */
  resume(): void;
  release(): void;
}

interface WatchOptions {
  out: string;
  outbound: string;
  /** How often the file's times are looked at beneath the events, in milliseconds. */
  lookMs: number;
  /** True while what comes next is most likely a claim, with its reply close behind. */
  expectsClaim(): boolean;
  onChange(): void;
}

/**
 * Calls `onChange` soon after something was written to a session's `outbound.db`: by file events, and beneath them by
 * a slow look at the file's times, because file shares and gVisor swallow events. Events only hasten the look. A
 * container that floods events loses its watch for a while; the look by timer goes on.
 */
export function watchOutbound(options: WatchOptions): OutboundWatch {
  let watcher: FSWatcher | undefined;
  let pause: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  let claimed: NodeJS.Timeout | undefined;
  let soon: NodeJS.Immediate | undefined;
  /** The database itself was written to since the last look. */
  let written = false;
  let fruitless = 0;
  let windowStart = 0;
  let seen = '';
  let released = false;

  let timer = setInterval(lookAtTimes, options.lookMs);
  start();
  return {
    fruitful() {
      fruitless = 0;
    },
    rest: () => clearInterval(timer),
    resume() {
      clearInterval(timer);
      if (!released) timer = setInterval(lookAtTimes, options.lookMs);
    },
    release() {
      released = true;
      clearInterval(timer);
      clearTimeout(pause);
      clearTimeout(late);
      clearTimeout(claimed);
      clearImmediate(soon);
      watcher?.close();
    },
  };

  function start(): void {
    try {
      watcher = watch(options.out, { persistent: false }, (_event, name) => {
        if (isFlood()) takeOff();
        else if (name === null || name.startsWith('outbound.db')) noteEvent(name);
      });
      watcher.on('error', takeOff);
    } catch {
      takeOff();
    }
  }

  /** All events of a batch make one decision. */
  function noteEvent(name: string | null): void {
    if (name !== 'outbound.db-journal') written = true;
    soon ??= setImmediate(decide);
  }

  /**
   * Events come in the middle of a commit as well, when a look would only meet its writer's lock: the journal tells. Events
   * of the journal alone mean nothing unless a commit is known to run (a look by root makes one: SQLite gives the
   * journal to the file's owner each time).
   */
  function decide(): void {
    soon = undefined;
    if (released || !written) return;
    if (commitRuns(`${options.outbound}-journal`)) {
      late ??= setTimeout(look, COMMIT_MS);
      return;
    }
    if (claimed === undefined && options.expectsClaim()) {
      written = false;
      claimed = setTimeout(look, CLAIM_MS);
      return;
    }
    look();
  }

  function look(): void {
    written = false;
    clearTimeout(late);
    clearTimeout(claimed);
    late = undefined;
    claimed = undefined;
    if (!released) options.onChange();
  }

  function isFlood(): boolean {
    const now = performance.now();
    if (now - windowStart > FLOOD_WINDOW_MS) {
      windowStart = now;
      fruitless = 0;
    }
    return ++fruitless > FLOOD_EVENTS;
  }

  function takeOff(): void {
    watcher?.close();
    watcher = undefined;
    fruitless = 0;
    clearTimeout(pause);
    if (!released) pause = setTimeout(start, WATCH_PAUSE_MS).unref();
  }

  async function lookAtTimes(): Promise<void> {
    try {
      const { mtimeNs, ctimeNs, size } = await stat(options.outbound, { bigint: true });
      const now = `${mtimeNs} ${ctimeNs} ${size}`;
      if (now === seen || released) return;
      seen = now;
      options.onChange();
    } catch {
      // Not there yet, or taken away: the next look finds it, or the health of its runner tells.
    }
  }
}

const header = Buffer.alloc(1);

/**
 * A journal with a header is a commit under way (or one whose writer was killed in it). The journal bears no locks, so that
 * opening it beside SQLite drops none.
 */
function commitRuns(journal: string): boolean {
  let file: number | undefined;
  try {
    file = openSync(journal, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return readSync(file, header, 0, 1, 0) === 1 && header[0] !== 0;
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
