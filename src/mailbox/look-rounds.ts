interface Round {
  timer: NodeJS.Timeout;
  looks: Set<() => void>;
}

/** By their period in milliseconds. */
const rounds = new Map<number, Round>();

/**
 * Calls `look` every `periodMs`, together with all others of that period: to wake the process twenty times a second costs more
 * than twenty looks at once. @returns what ends it.
 */
export function lookInRounds(periodMs: number, look: () => void): () => void {
  const round = rounds.get(periodMs) ?? begin(periodMs);
  // A function of its own, because the same look may have begun anew before it was ended.
  const mine = () => look();
  round.looks.add(mine);
  return () => {
    if (!round.looks.delete(mine) || round.looks.size > 0) return;
    clearInterval(round.timer);
    if (rounds.get(periodMs) === round) rounds.delete(periodMs);
  };
}

function begin(periodMs: number): Round {
  const looks = new Set<() => void>();
  const timer = setInterval(() => {
    for (const look of looks) look();
  }, periodMs);
  const round = { timer, looks };
  rounds.set(periodMs, round);
  return round;
}
