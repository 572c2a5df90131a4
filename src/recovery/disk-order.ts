/** When a session's folders are looked at next, and what a look costs; monotonic milliseconds. */
export interface LookStanding {
  dueAt: number;
  /** What a look at it takes, by the last one. */
  tookMs: number;
  /** A look at several, it among them, was not over in time: the next one is at it alone, and says whether it is the slow one. */
  alone: boolean;
}

/** With one session so many are looked at that are due within so many milliseconds, and that take so long together. */
const TOGETHER = { most: 32, withinMs: 15_000, tookMs: 1500 };

/** Those to look at together now: the one that is due for longest, with others, unless it is to be alone; none is known to be slow. Pure. */
export function nextTogether<T>(all: ReadonlyMap<T, LookStanding>, now: number): T[] {
  const quick = [...all].filter(([, standing]) => !isSlow(standing));
  const [first, ...others] = quick.toSorted(([, one], [, other]) => one.dueAt - other.dueAt);
  if (!first || first[1].dueAt > now) return [];
  const lot = [first[0]];
  if (first[1].alone) return lot;
  let tookMs = first[1].tookMs;
  for (const [key, standing] of others) {
    if (standing.alone) continue;
    if (lot.length >= TOGETHER.most || standing.dueAt > now + TOGETHER.withinMs) break;
    tookMs += standing.tookMs;
    if (tookMs > TOGETHER.tookMs) break;
    lot.push(key);
  }
  return lot;
}

/** The one to look at by itself now: of those that are due the cheapest, so that nobody waits for the slowest. Pure. */
export function nextAlone<T>(all: ReadonlyMap<T, LookStanding>, now: number): T | undefined {
  const due = [...all].filter(([, standing]) => isSlow(standing) && standing.dueAt <= now);
  return due.toSorted(([, one], [, other]) => one.tookMs - other.tookMs)[0]?.[0];
}

function isSlow({ tookMs }: LookStanding): boolean {
  return tookMs > TOGETHER.tookMs;
}

/** Below so many hundredths the disk is nearly full. */
const LOW = 10;

/** What statfs(2) says of a disk. */
interface DiskRoom {
  blocks: number;
  bavail: number;
  files: number;
  ffree: number;
}

/** How much of the disk is free, of its bytes or its inodes, whichever is less: in hundredths. Pure. */
export function hundredthsFree({ blocks, bavail, files, ffree }: DiskRoom): number {
  // Not every file system counts them.
  const ofInodes = files > 0 ? (100 * ffree) / files : 100;
  return Math.floor(Math.min(blocks > 0 ? (100 * bavail) / blocks : 100, ofInodes));
}

/** Whether a disk that is nearly full has become fuller by another hundredth; one that stays so is none of our business. Pure. */
export function fillsUp(before: number | undefined, free: number): boolean {
  return before !== undefined && free < LOW && free < before;
}
