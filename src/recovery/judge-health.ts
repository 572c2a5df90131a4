import type { HealthPeriods } from '../config.ts';

/*
 * Whether a container that runs still works. Clocks are never compared: what the container says counts by changing, and its age is
 * what the host's own monotonic clock has shown between looks. A look that comes late (a host that was stopped, a machine that
 * slept) adds no more than two periods, so that nobody is blamed for the host's own absence.
 */

/** What one look at a session shows. */
export interface Seen {
  /** Differs after each beat of the runner; `null`: there never was one. */
  beat: string | null;
  /** Differs after each sign of life of the provider. */
  activity: number | null;
  /** For how long after it silence is normal (a tool is in flight), in milliseconds. */
  quietMs: number;
  /** Messages that are being worked on: id and attempt. */
  claimed: readonly string[];
  /** A message is due and nothing is being worked on. */
  unclaimed: boolean;
}

/** What is known of a session's health after some looks; ages in milliseconds. */
export interface Health {
  seen: Seen;
  beatAge: number;
  activityAge: number;
  unclaimedAge: number;
  /** For how long each message has been worked on. */
  claimAges: ReadonlyMap<string, number>;
  /** Age of the nudge of this silence, and of the abort of this turn; `null`: none. */
  nudgedAge: number | null;
  abortedAge: number | null;
}

export type Verdict =
  | { do: 'nothing' }
  /** `messages` are those of the turn that takes too long: the last one is named to the runner. */
  | { do: 'nudge' | 'abort'; messages: string[] }
  | { do: 'restart'; cause: 'heartbeat' | 'limit' | 'silence' | 'idle'; messages: string[] };

/** The health after one more look, `elapsedMs` after the one before. Pure. */
export function observe(before: Health | undefined, seen: Seen, elapsedMs: number): Health {
  if (!before) {
    const claimAges = new Map(seen.claimed.map((message) => [message, 0]));
    return {
      seen,
      beatAge: 0,
      activityAge: 0,
      unclaimedAge: 0,
      claimAges,
      nudgedAge: null,
      abortedAge: null,
    };
  }
  const older = (age: number | null) => (age === null ? null : age + elapsedMs);
  const claimAges = new Map(
    seen.claimed.map((message) => [message, older(before.claimAges.get(message) ?? null) ?? 0]),
  );
  const sameTurn = oldest(claimAges).some((message) => oldest(before.claimAges).includes(message));
  const lively = seen.activity !== before.seen.activity;
  return {
    seen,
    beatAge: seen.beat === before.seen.beat ? before.beatAge + elapsedMs : 0,
    activityAge: lively ? 0 : before.activityAge + elapsedMs,
    unclaimedAge: seen.unclaimed && before.seen.unclaimed ? before.unclaimedAge + elapsedMs : 0,
    claimAges,
    nudgedAge: sameTurn && !lively ? older(before.nudgedAge) : null,
    abortedAge: sameTurn ? older(before.abortedAge) : null,
  };
}

/** What is to be done about it. Pure. */
export function judge(health: Health, periods: HealthPeriods, turnLimitMs: number): Verdict {
  const messages = oldest(health.claimAges);
  const turnAge = Math.max(0, ...health.claimAges.values());
  const restart = (cause: 'heartbeat' | 'limit' | 'silence' | 'idle', over: string[] = []): Verdict => ({
    do: 'restart',
    cause,
    messages: over,
  });
  if (health.beatAge >= periods.heartbeatMs) return restart('heartbeat');
  if (messages.length === 0)
    return health.unclaimedAge >= periods.silenceMs ? restart('idle') : { do: 'nothing' };
  if (turnAge >= turnLimitMs + periods.turnGraceMs) return restart('limit', messages);
  if (health.abortedAge !== null)
    return health.abortedAge >= periods.abortMs ? restart('silence', messages) : { do: 'nothing' };
  if (health.nudgedAge !== null)
    return health.nudgedAge >= periods.nudgeMs ? { do: 'abort', messages } : { do: 'nothing' };
  return silence(health, turnAge) >= periods.silenceMs ? { do: 'nudge', messages } : { do: 'nothing' };
}

/** The health after what was judged has been done. Pure. */
export function afterDoing(health: Health, verdict: Verdict): Health {
  if (verdict.do === 'nudge') return { ...health, nudgedAge: 0 };
  if (verdict.do === 'abort') return { ...health, abortedAge: 0 };
  return health;
}

/** How long the turn has shown nothing, beyond what is normal for the tool in flight. */
function silence({ activityAge, seen }: Health, turnAge: number): number {
  return Math.min(activityAge - Math.max(0, seen.quietMs), turnAge);
}

/** The messages that have been worked on for the longest: those of the turn that counts. */
function oldest(ages: ReadonlyMap<string, number>): string[] {
  const most = Math.max(0, ...ages.values());
  return [...ages].filter(([, age]) => age === most).map(([message]) => message);
}
