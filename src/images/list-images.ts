import type { Group } from '../groups/group.ts';
import type { BuildReads } from '../ledger/build-reads.ts';
import type { FailedBuild, ProvenBuild } from '../ledger/builds.ts';
import { imageSpec, specKey } from './image-spec.ts';

/** A row of `berth images`. */
export interface ListedBuild {
  group: string;
  /** `current`: its containers start from it; `previous`: it can go back to it; `held`: current by a rollback. */
  state: 'current' | 'held' | 'previous' | 'failed' | 'building';
  build: ProvenBuild | FailedBuild | undefined;
}

/**
 * What the ledger says of the images of groups, and in `pending` the groups that a running host builds for now. Groups that
 * start from the base image and never failed have no row.
 */
export function listImages(reads: BuildReads, groups: Group[], pending: readonly string[]): ListedBuild[] {
  const builds = new Map(reads.builds().map((build) => [build.id, build]));
  const failures = [...builds.values()].filter((build) => 'code' in build);
  const rows = new Map(reads.groupImages().map((row) => [row.folder, row]));
  const folders = [...new Set([...rows.keys(), ...groups.map(({ folder }) => folder)])].sort();
  return folders.flatMap((group): ListedBuild[] => {
    const row = rows.get(group);
    const current = builds.get(row?.build ?? -1);
    const previous = builds.get(row?.previous ?? -1);
    const wanted = keyOf(groups.find(({ folder }) => folder === group));
    const failed = failures.find((build) => specKey(build.declaration) === wanted);
    const state = row?.held === null || row?.held === undefined ? 'current' : 'held';
    return [
      ...(pending.includes(group) ? [{ group, state: 'building' as const, build: undefined }] : []),
      ...(current ? [{ group, state, build: current } as const] : []),
      ...(previous ? [{ group, state: 'previous' as const, build: previous }] : []),
      ...(failed ? [{ group, state: 'failed' as const, build: failed }] : []),
    ];
  });
}

/** What the group declares now: of its failures, only that of this declaration is worth showing. */
function keyOf(group: Group | undefined): string | undefined {
  try {
    return group && specKey(imageSpec(group.image));
  } catch {
    return undefined;
  }
}
