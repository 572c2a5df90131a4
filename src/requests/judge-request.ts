import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Order } from '../ledger/requests.ts';
import { nextRun } from '../next-run.ts';

const LONGEST_TEXT = 16 * 1024;
const LONGEST_AHEAD_MS = 5 * 365 * 86_400_000;
/** So long a request may have lain there while no host looked; what a container says of longer is not believed. */
const LONGEST_UNREAD_MS = 7 * 86_400_000;

const text = z
  .string()
  .trim()
  .min(1, 'is empty')
  .max(LONGEST_TEXT, `is longer than ${LONGEST_TEXT} characters`);
const scheduleArgs = z.strictObject({
  text,
  at: z.string().max(64).optional(),
  cron: z.string().max(200).optional(),
  timezone: z.string().max(64).optional(),
  missed: z.enum(['once', 'skip']).default('once'),
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no id')
    .optional(),
});
const cancelArgs = z.strictObject({ id: z.string().min(1).max(64) });

interface Place {
  session: string;
  /** Of the group: for who names no other. */
  timezone: string;
  /** Unix milliseconds. */
  now: number;
}

interface RequestRow {
  id: string;
  request?: string | undefined;
  args?: unknown;
  /** Unix milliseconds, as the container says it; `null`: no time. */
  createdAt?: number | null | undefined;
}

/** The words of a refusal, with what is allowed. */
class Refused extends Error {}

/**
 * What follows from a row of kind `system`. Its arguments are a container's: nothing in them is trusted, and what they ask
 * for concerns their own session alone. Pure.
 */
export function judgeRequest(place: Place, row: RequestRow): Order {
  try {
    return judge(place, row);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refuse: { code: 'E_REQUEST', message: error.message } };
  }
}

function judge(place: Place, row: RequestRow): Order {
  const { request, args = {} } = row;
  switch (request) {
    case 'schedule':
      return { do: 'schedule', schedule: toSchedule(place, row, parse(scheduleArgs, args)) };
    case 'schedules':
      return { do: 'schedules' };
    case 'cancel_schedule':
      return { do: 'cancel_schedule', id: parse(cancelArgs, args).id };
    default:
      throw new Refused(
        `there is no request ${JSON.stringify(request ?? null)}; there are schedule, schedules and cancel_schedule`,
      );
  }
}

function toSchedule(place: Place, row: RequestRow, args: z.output<typeof scheduleArgs>) {
  const { text, at, cron = null, missed, key } = args;
  const timezone = args.timezone ?? place.timezone;
  if ((at === undefined) === (cron === null))
    throw new Refused('either `at` or `cron` is wanted, and not both');
  checkTimeZone(timezone);
  const asked = askedAt(row, place.now);
  const dueAt = at === undefined ? firstRun(cron ?? '', timezone, asked) : onceAt(at, asked, place.now);
  // The same request of a turn that is repeated is the same schedule.
  const id = `sch_${createHash('sha256')
    .update(JSON.stringify([place.session, key ?? row.id]))
    .digest('hex')
    .slice(0, 16)}`;
  return { id, text, cron, timezone, missed, dueAt };
}

/**
 * From when on the times of a request count. It was asked for when no host was there, perhaps, and the agent was told that it
 * will be done: what came due since then was missed, and comes as `missed` says.
 */
function askedAt({ createdAt }: RequestRow, now: number): number {
  const isPlausible =
    typeof createdAt === 'number' && createdAt <= now && createdAt > now - LONGEST_UNREAD_MS;
  return isPlausible ? createdAt : now;
}

function onceAt(at: string, asked: number, now: number): number {
  // Without an offset it would be read in the time zone of the host, which is nobody's.
  const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(at)
    ? Date.parse(at)
    : Number.NaN;
  if (Number.isNaN(time))
    throw new Refused('`at` is no time with its offset, such as 2030-01-31T09:00:00+01:00');
  // A day past the end of its month would silently be one of the next.
  const day = at.slice(0, 10);
  if (new Date(`${day}T00:00:00Z`).getUTCDate() !== Number(day.slice(-2)))
    throw new Refused(`\`at\` is on ${day}, and there is no such day`);
  if (time <= asked) throw new Refused(`\`at\` is over: it is ${new Date(now).toISOString()} now`);
  if (time > now + LONGEST_AHEAD_MS) throw new Refused('`at` is more than five years ahead');
  return time;
}

function firstRun(cron: string, timezone: string, asked: number): number {
  let next: number | null;
  try {
    next = nextRun(cron, timezone, asked);
  } catch (error) {
    throw new Refused(
      `\`cron\` is not "minute hour day month weekday", such as 0 9 * * 1-5: ${(error as Error).message.slice(0, 200)}`,
    );
  }
  if (next === null || next > asked + LONGEST_AHEAD_MS)
    throw new Refused('`cron` has no time within five years');
  return next;
}

function checkTimeZone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    throw new Refused(
      `\`timezone\` ${JSON.stringify(timezone)} is unknown; one such as Europe/Berlin is wanted`,
    );
  }
}

function parse<T>(shape: z.ZodType<T>, args: unknown): T {
  const { success, data, error } = shape.safeParse(args);
  if (success) return data;
  const [issue] = error.issues;
  const path = issue?.path.join('.') || 'args';
  throw new Refused(`\`${path}\`: ${(issue?.message ?? 'is not valid').slice(0, 300)}`);
}
