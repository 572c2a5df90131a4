import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Release } from '../release-stack.ts';

/** Events without any row behind them, after which a watch is taken off for a while. */
const FRUITLESS_EVENTS = 400;
const WATCH_PAUSE_MS = 5000;

export interface OutboundWatch {
  /** The last look found something new: the events were worth their cost. */
  fruitful(): void;
  release: Release;
}

interface WatchOptions {
  out: string;
  outbound: string;
  /** How often the file's times are looked at beneath the events, in milliseconds. */
  lookMs: number;
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
  let fruitless = 0;
  let seen = '';
  let released = false;

  const timer = setInterval(lookAtTimes, options.lookMs);
  start();
  return {
    fruitful() {
      fruitless = 0;
    },
    release() {
      released = true;
      clearInterval(timer);
      clearTimeout(pause);
      watcher?.close();
    },
  };

  function start(): void {
    try {
      watcher = watch(options.out, { persistent: false }, (_event, name) => {
        if (name !== null && !name.startsWith('outbound.db')) {
          // The heartbeat alone is one event in five seconds; more is a flood that has to be counted.
          if (++fruitless > FRUITLESS_EVENTS) rest();
          return;
        }
        if (++fruitless > FRUITLESS_EVENTS) rest();
        else options.onChange();
      });
      watcher.on('error', rest);
    } catch {
      rest();
    }
  }

  function rest(): void {
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
