import { json } from 'node:stream/consumers';
import type { Config } from '../config.ts';
import { asBerthError } from '../errors.ts';
import { loadGroups } from '../groups/load-groups.ts';
import { declaredVersions } from '../images/build-groups.ts';
import type { GroupImages } from '../images/group-images.ts';
import { imageTag } from '../images/image-spec.ts';
import { type ImagesNow, type ListedBuild, listImages } from '../images/list-images.ts';
import type { PruneResult } from '../images/prune-images.ts';
import type { ProvenBuild } from '../ledger/builds.ts';
import { askHost } from './ask-host.ts';
import { openBuilds } from './open-builds.ts';
import { withImages } from './open-images.ts';
import { ago, printTable } from './print-table.ts';

/**
 * `berth images`: which image each group has, could go back to, or failed to get, and what is inside. Needs no host.
 * @throws E_LEDGER.
 */
export async function imagesCommand(config: Readonly<Config>, options: { json?: boolean }): Promise<void> {
  const { stdout } = process;
  const groups = [...(await loadGroups(config.groupsDir)).values()].flatMap(({ outcome }) =>
    'group' in outcome ? [outcome.group] : [],
  );
  const reads = openBuilds(config.dataDir);
  try {
    const rows = reads ? listImages(reads, groups, await askNow(config)) : [];
    if (options.json) {
      stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      return;
    }
    const now = Date.now();
    const head = ['GROUP', 'STATE', 'IMAGE', 'ID', 'SIZE', 'BUILT', 'PACKAGES'];
    printTable(
      stdout,
      head,
      rows.map((row) => cells(row, now)),
    );
  } finally {
    reads?.close();
  }
}

/**
 * `berth images --rollback <group>`: the group goes back to the image before, and stays there until its declaration changes
 * or somebody builds it.
 * @throws E_IMAGE_PREVIOUS, E_GROUP_UNKNOWN.
 */
export async function rollbackCommand(
  config: Readonly<Config>,
  group: string,
  options: { json?: boolean },
): Promise<void> {
  const path = `/images/rollback?${new URLSearchParams({ group })}`;
  const build = await byHostOrHere<ProvenBuild>(config, path, (images) => images.rollback(group));
  const { stdout } = process;
  if (options.json) stdout.write(`${JSON.stringify(build)}\n`);
  else
    stdout.write(
      `${group}: back to ${imageTag(build.hash)} ${build.image.slice(7, 19)} (${packagesOf(build)})\n`,
    );
}

/** `berth images prune`: removes the images that no group and no container uses, and says what that freed. */
export async function pruneCommand(
  config: Readonly<Config>,
  options: { json?: boolean; all?: boolean },
): Promise<void> {
  const all = options.all === true;
  const path = `/images/prune?all=${all ? '1' : '0'}`;
  const result = await byHostOrHere<PruneResult>(config, path, (images) => images.prune(all));
  const { stdout } = process;
  if (options.json) {
    stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const image of result.removed) stdout.write(`removed ${image}\n`);
  for (const { image, why } of result.kept) stdout.write(`kept    ${image}: ${why}\n`);
  stdout.write(`${result.removed.length} images removed, ${(result.freed / 1e6).toFixed(1)} MB freed\n`);
}

async function byHostOrHere<T>(
  config: Readonly<Config>,
  path: string,
  here: (images: GroupImages) => Promise<T>,
): Promise<T> {
  try {
    return (await json(await askHost(config.dataDir, path, {}))) as T;
  } catch (error) {
    if (asBerthError(error).code !== 'E_NO_HOST') throw error;
    return withImages(config, await loadGroups(config.groupsDir), here);
  }
}

/** Only a running host builds by itself. */
async function askNow({ dataDir }: Readonly<Config>): Promise<ImagesNow> {
  try {
    return (await json(await askHost(dataDir, '/images'))) as ImagesNow;
  } catch (error) {
    if (asBerthError(error).code !== 'E_NO_HOST') throw error;
    return { pending: [], problems: {} };
  }
}

function cells({ group, state, build, problem }: ListedBuild, now: number): string[] {
  if (problem) return [group, state, '-', '-', '-', '-', `${problem.code}: ${problem.reason}`];
  if (!build) return [group, state, '-', '-', '-', '-', '-'];
  const name = imageTag(build.hash);
  const built = ago(build.endedAt, now);
  if ('code' in build) return [group, state, name, '-', '-', built, `${build.code}: ${build.reason}`];
  return [
    group,
    state,
    name,
    build.image.slice(7, 19),
    `${Math.round(build.size / 1e6)} MB`,
    built,
    packagesOf(build),
  ];
}

function packagesOf(build: ProvenBuild): string {
  const { apt, npm } = declaredVersions(build);
  const all = [...Object.entries(apt), ...Object.entries(npm)];
  return all.map(([name, version]) => `${name} ${version}`).join(', ') || '-';
}
