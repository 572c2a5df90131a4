/** What the decision needs to know of a session; times are monotonic milliseconds. */
export interface IdleFacts {
  state: 'awake' | 'frozen';
  activeAt: number;
  /** `null`: never. */
  freezeMs: number | null;
  /** `null`: never. */
  stopMs: number | null;
  /** Not to be frozen before. */
  freezeFrom: number;
  /** A message is being worked on, or may be taken up now. */
  working: boolean;
  /** The group was changed since the container's start. */
  outdated: boolean;
}

export interface IdleStep {
  does: 'freeze' | 'stop' | 'replace';
  /** May have passed. */
  at: number;
}

/**
 * What is to be done next with a container in which nobody talks, and when; `null` for "nothing, as things are". A
 * working container is never idle. Pure.
 */
export function idleDeadline(facts: IdleFacts): IdleStep | null {
  const { state, activeAt, freezeMs, stopMs, freezeFrom, working, outdated } = facts;
  if (working) return null;
  if (outdated) return { does: 'replace', at: activeAt };
  const stop: IdleStep | null = stopMs === null ? null : { does: 'stop', at: activeAt + stopMs };
  if (state === 'frozen' || freezeMs === null) return stop;
  const freeze: IdleStep = { does: 'freeze', at: Math.max(activeAt + freezeMs, freezeFrom) };
  return stop && stop.at <= freeze.at ? stop : freeze;
}
