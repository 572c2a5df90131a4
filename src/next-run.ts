import { Cron } from 'croner';

/**
 * When a cron line (minute, hour, day, month, weekday) comes due next in a time zone.
 * @param after Unix milliseconds; the result is later.
 * @returns Unix milliseconds, or `null`: never again.
 * @throws Error in words for its author, when it is no such line or there is no such time zone.
 */
export function nextRun(cron: string, timezone: string, after: number): number | null {
  const next = new Cron(cron, { timezone, mode: '5-part', paused: true }).nextRun(new Date(after));
  return next === null ? null : next.getTime();
}
