/** What somebody who waits was told last. */
export interface Told {
  place: number;
  /** Monotonic milliseconds. */
  at: number;
}

/** Who waits no longer than this is told nothing, in milliseconds. */
const PATIENCE_MS = 3_000;
/** How often somebody is told at most, in milliseconds. */
const AGAIN_MS = 10_000;

/** Whether somebody who waits is to be told their place: after a while, and then when it has become another. Pure. */
export function isToBeTold(
  { since, told }: { since: number; told: Told | null },
  place: number,
  now: number,
): boolean {
  if (told === null) return now - since >= PATIENCE_MS;
  return told.place !== place && now - told.at >= AGAIN_MS;
}
