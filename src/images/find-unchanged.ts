import { findImage } from '../engines/find-image.ts';
import type { Group } from '../groups/group.ts';
import type { BuildReads } from '../ledger/build-reads.ts';
import type { ProvenBuild } from '../ledger/builds.ts';
import { canGrow } from './base-fits.ts';
import { imageHash, imageSpec, isPlain } from './image-spec.ts';

interface Dependencies {
  reads: BuildReads;
  dockerHost: string | undefined;
  baseImage: string;
}

/**
 * Whether the group has what it declares already, by two questions to the engine and none to its builder: what an operator
 * who asks again should not wait for.
 * @returns the image in force (`build` is `undefined` for the base image), or `undefined` when there is something to do.
 * @throws E_IMAGE_SPEC; E_ENGINE_UNREACHABLE.
 */
export async function findUnchanged(
  { reads, dockerHost, baseImage }: Dependencies,
  group: Group,
): Promise<{ build: ProvenBuild | undefined } | undefined> {
  const spec = imageSpec(group.image);
  const row = reads.groupImages().find(({ folder }) => folder === group.folder);
  if (isPlain(spec)) return (row?.build ?? null) === null ? { build: undefined } : undefined;
  const build = row?.build ? reads.proven(row.build) : undefined;
  if (!build || row?.held !== null) return undefined;
  const [base, image] = await Promise.all([
    findImage(dockerHost, baseImage),
    findImage(dockerHost, build.image),
  ]);
  if (!base || !image || !canGrow(base)) return undefined;
  return imageHash(base.id, spec) === build.hash ? { build } : undefined;
}
