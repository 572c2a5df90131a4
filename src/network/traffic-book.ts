import type { Logger } from '../log.ts';
import type { Passage } from './verdict.ts';

/** What containers of a group asked for, the same passages counted together. Times are Unix milliseconds. */
export interface TrafficLine extends Passage {
  count: number;
  firstAt: number;
  lastAt: number;
}

export interface TrafficBook {
  note(group: string, passage: Passage): void;
  /** The newest first. */
  lines(group: string): TrafficLine[];
  forget(group: string): void;
}

/** Different lines that are kept of a group; then the oldest go. */
const MOST_LINES = 1000;
/** Refusals of a group that are logged in one second; those beyond are counted in the next line. */
const MOST_LOGGED = 10;

/**
 * Who went where, by group. What is not allowed is logged with group and host; a container that asks in a loop fills
 * neither log nor memory.
 */
export function createTrafficBook({ now, log }: { now(): number; log: Logger }): TrafficBook {
  const groups = new Map<string, Map<string, TrafficLine>>();
  const logged = new Map<string, { since: number; count: number; left: number }>();

  return {
    note(group, passage) {
      const at = now();
      const lines = groups.get(group) ?? new Map<string, TrafficLine>();
      groups.set(group, lines);
      const key = JSON.stringify([passage.host, passage.port, passage.outcome, passage.reason]);
      const known = lines.get(key);
      // Put in anew, so that the order of the map is that of the last time.
      lines.delete(key);
      lines.set(key, {
        ...passage,
        count: (known?.count ?? 0) + 1,
        firstAt: known?.firstAt ?? at,
        lastAt: at,
      });
      const oldest = lines.keys().next();
      if (lines.size > MOST_LINES && !oldest.done) lines.delete(oldest.value);
      if (passage.outcome === 'refused') logRefusal(group, passage, at);
    },
    lines: (group) => [...(groups.get(group)?.values() ?? [])].reverse(),
    forget(group) {
      groups.delete(group);
      logged.delete(group);
    },
  };

  function logRefusal(group: string, { host, port, reason }: Passage, at: number): void {
    const second = logged.get(group) ?? { since: at, count: 0, left: 0 };
    logged.set(group, second);
    if (at - second.since >= 1000) Object.assign(second, { since: at, count: 0 });
    if (++second.count > MOST_LOGGED) return void second.left++;
    const left = second.left > 0 ? { notLogged: second.left } : {};
    second.left = 0;
    log.warn({ code: 'E_NETWORK_REFUSED', group, host, port, reason, ...left }, 'network: refused');
  }
}
