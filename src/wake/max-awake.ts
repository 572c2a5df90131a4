import { totalmem } from 'node:os';
import type { GroupRegistry } from '../groups/group-registry.ts';

/** Of the machine's memory, for containers; the rest is for the host, the engine and the system. */
const PART_FOR_CONTAINERS = 3 / 4;
/** A container that may use so much uses a quarter of it most of the time: `limits.memory` is for the worst turn. */
const SELDOM_USED = 4;
const LEAST = 2;

/**
 * How many containers may live at once where `BERTH_MAX_AWAKE` does not say it: as many as fit into three quarters of the
 * memory when each uses a quarter of what the groups allow on average. At least two. Pure.
 *
 * @param memoryBytes of the machine.
 * @param limits `limits.memory` of each group, in bytes.
 */
export function defaultMaxAwake(memoryBytes: number, limits: readonly number[]): number {
  if (limits.length === 0) return LEAST;
  const mean = limits.reduce((sum, bytes) => sum + bytes, 0) / limits.length;
  return Math.max(LEAST, Math.floor((memoryBytes * PART_FOR_CONTAINERS * SELDOM_USED) / mean));
}

/** `BERTH_MAX_AWAKE`, or what this machine and the groups, as they are at each call, allow. */
export function countMaxAwake(set: number | undefined, groups: Pick<GroupRegistry, 'list'>): () => number {
  const limits = () => groups.list().flatMap(({ group }) => group?.limits.memoryBytes ?? []);
  return () => set ?? defaultMaxAwake(totalmem(), limits());
}
