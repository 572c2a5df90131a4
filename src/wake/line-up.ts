/** A session that waits for a container. */
export interface Waiting {
  session: string;
  group: string;
}

/**
 * The order in which those who wait get a container: one session of each group in turn, the group first that was served
 * the longest ago (never counts as longest), within a group first come, first served. Pure.
 *
 * @param waiting in the order of their coming.
 * @param servedAt when each group was last given a container, by any number that grows.
 */
export function lineUp<One extends Waiting>(
  waiting: readonly One[],
  servedAt: ReadonlyMap<string, number>,
): One[] {
  const groups = [...Map.groupBy(waiting, ({ group }) => group)].sort(
    ([one], [other]) => (servedAt.get(one) ?? -1) - (servedAt.get(other) ?? -1),
  );
  const line: One[] = [];
  for (let round = 0; line.length < waiting.length; round++) {
    for (const [, sessions] of groups) {
      const next = sessions[round];
      if (next) line.push(next);
    }
  }
  return line;
}
