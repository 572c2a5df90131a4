import { closeSync, constants, type FSWatcher, lstatSync, openSync, readSync, watch } from 'node:fs';
import { lookInRounds } from './look-rounds.ts';

/**
 * A flood: more events than this at once and more than so many a second, apart from those that brought somebody an answer.
 * Each costs the event loop some microseconds, and all sessions' events come by one queue of the kernel, which overflows.
 */
const FLOOD_BURST = 1000;
const FLOOD_PER_SECOND = 200;
/** What an answer may cost in events. */
const EVENTS_PER_ANSWER = 100;
/** For how long a flood takes the watch off; doubled each time, up to the longest, until there was none for that long. */
const WATCH_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 60_000;
/** How often the file's times are looked at while there is no watch, in milliseconds. */
const WITHOUT_WATCH_MS = 50;
/** A commit whose end was not seen is looked at after this long all the same, in milliseconds. */
const COMMIT_MS = 20;
/**
 * How long a look waits, in milliseconds, after what is most likely the commit of a claim: nobody waits for that, and a
 * reader in the way of the reply's commit costs its writer a whole millisecond (SQLite's shortest wait for a lock).
 */
const CLAIM_MS = 25;

export interface OutboundWatch {
  /** The last look found an answer: the events were worth their cost. */
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
  /** True while somebody waits for what comes next. */
  isAwaited(): boolean;
  onChange(): void;
  /** There is a draft, or another one. It is nobody's answer. */
  onDraft(): void;
}

/** Of every watch that is on: looks at the file's times. A flood may have swallowed the events of all of them. */
const watches = new Set<() => void>();

/**
 * Calls `onChange` soon after something was written to a session's `outbound.db`: by file events, and beneath them by
 * a slow look at the file's times, because file shares and gVisor swallow events. Events only hasten the look. A
 * container that floods events loses its watch for a while; the look by timer goes on, and is then less slow.
 */
export function watchOutbound(options: WatchOptions): OutboundWatch {
  let watcher: FSWatcher | undefined;
  let pause: NodeJS.Timeout | undefined;
  let late: NodeJS.Timeout | undefined;
  let claimed: NodeJS.Timeout | undefined;
  let soon: NodeJS.Immediate | undefined;
  /** The database itself was written to since the last look. */
  let written = false;
  let events = 0;
  let eventsAt = 0;
  let floodAt = Number.NEGATIVE_INFINITY;
  let pauseMs = WATCH_PAUSE_MS;
  let seen = '';
  let released = false;
  let withoutWatch: NodeJS.Timeout | undefined;

  let endLooks = lookInRounds(options.lookMs, lookAtTimes);
  const check = () => {
    if (options.isAwaited()) lookAtTimes();
  };
  start();
  return {
    fruitful() {
      events = Math.max(0, events - EVENTS_PER_ANSWER);
    },
    rest: () => endLooks(),
    resume() {
      endLooks();
      if (!released) endLooks = lookInRounds(options.lookMs, lookAtTimes);
    },
    release() {
      released = true;
      watches.delete(check);
      endLooks();
      clearInterval(withoutWatch);
      clearTimeout(pause);
      clearTimeout(late);
      clearTimeout(claimed);
      clearImmediate(soon);
      watcher?.close();
    },
  };

  function start(): void {
    clearInterval(withoutWatch);
    withoutWatch = undefined;
    try {
      watcher = watch(options.out, { persistent: false }, (_event, name) => {
        if (isFlood()) takeOffForFlood();
        else if (name === null || name.startsWith('outbound.db')) noteEvent(name);
        else if (name === 'draft.json') options.onDraft();
      });
      watcher.on('error', () => takeOff(WATCH_PAUSE_MS));
      watches.add(check);
    } catch {
      takeOff(WATCH_PAUSE_MS);
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
    events = Math.max(0, events - ((now - eventsAt) / 1000) * FLOOD_PER_SECOND) + 1;
    eventsAt = now;
    return events > FLOOD_BURST;
  }

  function takeOffForFlood(): void {
    const now = performance.now();
    pauseMs = now - floodAt < 2 * LONGEST_PAUSE_MS ? Math.min(2 * pauseMs, LONGEST_PAUSE_MS) : WATCH_PAUSE_MS;
    floodAt = now;
    takeOff(pauseMs);
    for (const other of watches) other();
  }

  function takeOff(ms: number): void {
    watches.delete(check);
    watcher?.close();
    watcher = undefined;
    events = 0;
    clearTimeout(pause);
    if (released) return;
    pause = setTimeout(start, ms).unref();
    withoutWatch ??= setInterval(check, WITHOUT_WATCH_MS).unref();
  }

  /** In place: handing it to a thread and back costs more than the look. */
  function lookAtTimes(): void {
    try {
      const { ino, mtimeNs, ctimeNs, size } = lstatSync(options.outbound, { bigint: true });
      noteTimes(`${ino} ${mtimeNs} ${ctimeNs} ${size}`);
    } catch {
      // Not there yet; or taken away, which is to be found out.
      if (seen !== '') noteTimes('gone');
    }
  }

  function noteTimes(now: string): void {
    if (now === seen || released) return;
    seen = now;
    options.onChange();
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
