import type { Clock } from '../clock.ts';
import type { Release } from '../release-stack.ts';

interface Dependencies {
  clock: Clock;
  onDue(session: string): void;
}

/** The longest that a timer of Node can wait. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Sessions that are to be looked at again at a certain time: a retry that comes due, a failed start. One timer each. */
export function createRevisits({ clock, onDue }: Dependencies) {
  const timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();

  return {
    /** @param at Unix milliseconds; an earlier appointment of the session stays. */
    at(session: string, at: number): void {
      const known = timers.get(session);
      if (known && known.at <= at) return;
      clearTimeout(known?.timer);
      const delay = Math.min(Math.max(at - clock.now(), 0), LONGEST_TIMER_MS);
      const timer = setTimeout(() => {
        timers.delete(session);
        onDue(session);
      }, delay);
      timers.set(session, { at, timer });
    },
    releaseAll: (() => {
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    }) satisfies Release,
  };
}
