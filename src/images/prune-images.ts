import { CONTRACT_LABEL } from '../../contract/version.ts';
import type { ImageBuilder, ImageShelf, ListedImage } from '../engines/image-builder.ts';
import { asBerthError } from '../errors.ts';
import type { BuildReads } from '../ledger/build-reads.ts';
import type { Writer } from '../writer/writer.ts';
import { CANDIDATES, NAME_LABEL } from './dockerfile.ts';
import { imageTag } from './image-spec.ts';

interface Dependencies {
  images: ImageBuilder;
  shelf: ImageShelf;
  reads: BuildReads;
  writer: Pick<Writer, 'run'>;
  /** The groups that there are. */
  folders: string[];
}

export interface PruneResult {
  /** Names (or ids) of the images that are gone. */
  removed: string[];
  /** Why others stay. */
  kept: { image: string; why: string }[];
  /** Bytes on the engine's disk. */
  freed: number;
}

const CANDIDATE_MS = 60 * 60_000;

/**
 * Removes images of groups that nobody uses: no group has them now or could go back to them, and no container was made of
 * them. Those that this data folder does not know are other people's and stay, unless `all` says otherwise. What builds
 * left behind without a name goes too.
 * @throws E_ENGINE_…
 */
export async function pruneImages(deps: Dependencies, all: boolean): Promise<PruneResult> {
  const { shelf, reads, writer } = deps;
  const before = await shelf.diskUse();
  const builds = reads.builds().flatMap((build) => ('image' in build ? [build] : []));
  const rows = reads.groupImages();
  const living = rows.filter(({ folder }) => deps.folders.includes(folder));
  const held = new Set(living.flatMap(({ build, previous }) => [build, previous]));
  const heldImages = new Set(builds.filter(({ id }) => held.has(id)).map(({ image }) => image));
  const known = new Set(builds.map(({ image }) => image));
  const inUse = await shelf.inUse();
  const result: PruneResult = { removed: [], kept: [], freed: 0 };
  for (const image of (await shelf.list(NAME_LABEL)).filter(isOfGroup)) {
    const why = heldImages.has(image.id)
      ? 'a group uses it or can go back to it'
      : inUse.has(image.id)
        ? 'a container uses it'
        : known.has(image.id) || all
          ? undefined
          : 'it belongs to another data folder (--all removes it too)';
    if (why !== undefined) result.kept.push({ image: nameOf(image), why });
    else await remove(deps.images, image, result);
  }
  await shelf.sweep(CONTRACT_LABEL);
  const present = new Set((await shelf.list(NAME_LABEL)).map(({ id }) => id));
  await writer.run('forgetImages', {
    folders: rows.filter((row) => !living.includes(row)).map(({ folder }) => folder),
    builds: builds.filter(({ id, image }) => !held.has(id) && !present.has(image)).map(({ id }) => id),
  });
  result.freed = Math.max(0, before - (await shelf.diskUse()));
  return result;
}

/** A young candidate may be on its way to be proven. */
function isOfGroup({ tags, createdAt }: ListedImage): boolean {
  if (tags.some((tag) => tag.startsWith(imageTag('')))) return true;
  return tags.some((tag) => tag.startsWith(`${CANDIDATES}:`)) && createdAt < Date.now() - CANDIDATE_MS;
}

/** Name by name: an image that bears several would be refused by its id. Never by force: the engine has the last word. */
async function remove(images: ImageBuilder, image: ListedImage, result: PruneResult): Promise<boolean> {
  try {
    for (const tag of image.tags) await images.remove(tag);
    result.removed.push(nameOf(image));
    return true;
  } catch (error) {
    const { code, message } = asBerthError(error);
    if (code !== 'E_ENGINE_REFUSED') throw error;
    result.kept.push({ image: nameOf(image), why: message });
    return false;
  }
}

function nameOf({ id, tags }: ListedImage): string {
  return tags[0] ?? id.slice(7, 19);
}
