import { asBerthError } from '../errors.ts';
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
  /** Why nothing was built at all. */
  problem?: ListedProblem | undefined;
}

interface ListedProblem {
  code: string;
  reason: string;
}

/** What only a running host knows. */
export interface ImagesNow {
  /** Groups that it builds for. */
  pending: readonly string[];
  /** Why a group has no image of what it declares, by folder. */
  problems: Readonly<Record<string, ListedProblem>>;
}

/**
 * What the ledger and a running host say of the images of groups. Groups that start from the base image and never failed
 * have no row.
 */
export function listImages(
  reads: BuildReads,
  groups: Group[],
  { pending, problems }: ImagesNow,
): ListedBuild[] {
  const builds = new Map(reads.builds().map((build) => [build.id, build]));
  const failures = [...builds.values()].filter((build) => 'code' in build);
  const rows = new Map(reads.groupImages().map((row) => [row.folder, row]));
  const folders = [...new Set([...rows.keys(), ...groups.map(({ folder }) => folder)])].sort();
  return folders.flatMap((group): ListedBuild[] => {
    const row = rows.get(group);
    const current = builds.get(row?.build ?? -1);
    const previous = builds.get(row?.previous ?? -1);
    const wanted = wantedOf(groups.find(({ folder }) => folder === group));
    const failed = failures.find((build) => specKey(build.declaration) === wanted.key);
    const told = problems[group];
    const problem = wanted.problem ?? (told?.code === failed?.code ? undefined : told);
    const state = row?.held === null || row?.held === undefined ? 'current' : 'held';
    return [
      ...(pending.includes(group) ? [{ group, state: 'building' as const, build: undefined }] : []),
      ...(current ? [{ group, state, build: current } as const] : []),
      ...(previous ? [{ group, state: 'previous' as const, build: previous }] : []),
      ...(failed ? [{ group, state: 'failed' as const, build: failed }] : []),
      ...(problem ? [{ group, state: 'failed' as const, build: undefined, problem }] : []),
    ];
  });
}

/** What the group declares now: of its failures, only that of this declaration is worth showing. What is refused has none. */
function wantedOf(group: Group | undefined): { key?: string; problem?: ListedProblem } {
  try {
    return group ? { key: specKey(imageSpec(group.image)) } : {};
  } catch (error) {
    const { code, message: reason } = asBerthError(error);
    return { problem: { code, reason } };
  }
}
