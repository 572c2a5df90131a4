/** Time as the host sees it. The only thing besides the chat platform that a test may replace. */
export interface Clock {
  /** Unix time in milliseconds: what rows bear. */
  now(): number;
  /** Milliseconds that never jump: what durations are measured by. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
