/** What the decision needs to know of a session; times are monotonic milliseconds. */
export interface IdleFacts {
  activeAt: number;
  /** `null`: never. */
  stopMs: number | null;
  /** A message waits for an answer or is being worked on. */
  working: boolean;
}

/**
 * When the session's container is to be stopped: a moment (which may have passed), or `null` for "not as things
 * are". A working container is never idle. Pure.
 */
export function idleDeadline({ activeAt, stopMs, working }: IdleFacts): number | null {
  return working || stopMs === null ? null : activeAt + stopMs;
}
