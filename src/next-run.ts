import { Cron } from 'croner';

/**
 * Times that a line names come once a day, also where clocks are set: one that they leap over comes right after the leap, one that
 * they go through twice comes the first time. What has a `*` or a step in its minute or hour is an interval and goes on.
 */
const fixedTimeRule = 'no-wildcard';

/**
 * When a cron line (minute, hour, day, month, weekday) comes due next in a time zone.
 * @param after Unix milliseconds; the result is later.
 * @returns Unix milliseconds, or `null`: never again.
 * @throws Error in words for its author, when it is no such line or there is no such time zone.
 */
export function nextRun(cron: string, timezone: string, after: number): number | null {
  const next = new Cron(cron, { timezone, mode: '5-part', paused: true, fixedTimeRule }).nextRun(
    new Date(after),
  );
  return next === null ? null : next.getTime();
}
