import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Config } from '../config.ts';
import { asBerthError, BerthError } from '../errors.ts';
import { type LoadedGroup, loadGroups } from '../groups/load-groups.ts';
import type { GroupEvent, GroupFailed } from '../images/build-groups.ts';
import { createBuildView } from './build-view.ts';
import { groupOf } from './find-groups.ts';

export interface BuildImageOptions {
  /** Every group. */
  all?: boolean | undefined;
  /** False: nothing of earlier builds is used again. */
  cache?: boolean | undefined;
  json?: boolean | undefined;
}

/**
 * `npm run build-image <group>`: builds the image of a group, or of all, and switches to it. What has not changed is found
 * without the host, the data folder's lock, or the engine's builder.
 * @returns the exit code.
 * @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG, E_DATA_LOCKED; why a build failed, if it was one group.
 */
export async function buildImageCommand(
  config: Readonly<Config>,
  group: string | undefined,
  options: BuildImageOptions,
): Promise<number> {
  if ((group === undefined) !== (options.all === true)) {
    process.stderr.write('berth: name one group, or give --all\n');
    return 2;
  }
  const loaded = await loadGroups(config.groupsDir);
  const folders = group === undefined ? [...loaded.keys()] : [group];
  const view = createBuildView(options.json ?? false);
  const failed: GroupFailed[] = [];
  const onEvent = (event: GroupEvent) => {
    if (event.event === 'failed') failed.push(event);
    view.show(event);
  };
  try {
    if (group !== undefined) groupOf(loaded, group); // nothing is asked of anybody for a name that is wrong
    const left = options.cache === false ? folders : await showUnchanged(config, loaded, folders, onEvent);
    if (left.length > 0) await build(config, loaded, left, options.cache === false, onEvent);
  } finally {
    view.close();
  }
  return conclude(failed, folders.length);
}

/** @returns the folders in which there is something to do. */
async function showUnchanged(
  config: Readonly<Config>,
  loaded: Map<string, LoadedGroup>,
  folders: string[],
  onEvent: (event: GroupEvent) => void,
): Promise<string[]> {
  const { dataDir, dockerHost, baseImage } = config;
  // Loaded at the first build too, so that what Node compiles of them is kept for the second, which is to be quick.
  const [{ openBuilds }, { findUnchanged }, { describeDone }] = await Promise.all([
    import('./open-builds.ts'),
    import('../images/find-unchanged.ts'),
    import('../images/build-groups.ts'),
  ]);
  if (!existsSync(join(dataDir, 'host.db'))) return folders;
  const reads = await attempt(async () => openBuilds(dataDir));
  if (!reads) return folders;
  try {
    const left: string[] = [];
    for (const folder of folders) {
      const found = await attempt(async () =>
        findUnchanged({ reads, dockerHost, baseImage }, groupOf(loaded, folder)),
      );
      if (found) onEvent(describeDone(folder, { ...found, built: false }, performance.now()));
      else left.push(folder);
    }
    return left;
  } finally {
    reads.close();
  }
}

/** What is wrong is said by the build itself. */
async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  return work().catch(() => undefined);
}

/** By the running host, or here where none runs. */
async function build(
  config: Readonly<Config>,
  loaded: Map<string, LoadedGroup>,
  folders: string[],
  afresh: boolean,
  onEvent: (event: GroupEvent) => void,
): Promise<void> {
  const { askHost } = await import('./ask-host.ts');
  const query = new URLSearchParams({ afresh: afresh ? '1' : '0' });
  for (const folder of folders) query.append('group', folder);
  const answer = await askHost(config.dataDir, `/images/build?${query}`, {}).catch((error: unknown) => {
    if (asBerthError(error).code !== 'E_NO_HOST') throw error;
    return undefined;
  });
  if (!answer) return buildHere(config, loaded, folders, afresh, onEvent);
  const open = new Set(folders);
  for await (const line of createInterface({ input: answer })) {
    const event = JSON.parse(line) as GroupEvent;
    if (event.event === 'done' || event.event === 'failed') open.delete(event.group);
    onEvent(event);
  }
  if (open.size > 0)
    throw new BerthError('E_NO_HOST', `the host went away while it built ${[...open].join(', ')}`);
}

async function buildHere(
  config: Readonly<Config>,
  loaded: Map<string, LoadedGroup>,
  folders: string[],
  afresh: boolean,
  onEvent: (event: GroupEvent) => void,
): Promise<void> {
  const [{ withImages }, { buildGroups }, { cancelled }] = await Promise.all([
    import('./open-images.ts'),
    import('../images/build-groups.ts'),
    import('../images/build-queue.ts'),
  ]);
  const leave = new AbortController();
  const onSignal = () => leave.abort(cancelled('it was interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    await withImages(config, loaded, (images) =>
      buildGroups(images, folders, { afresh, signal: leave.signal }, onEvent),
    );
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}

/** One group: its failure is the command's. Several: how many, their reasons having been shown. */
function conclude(failed: GroupFailed[], asked: number): number {
  const [first] = failed;
  if (!first) return 0;
  if (asked === 1) throw new BerthError(first.code, first.message);
  const names = failed.map(({ group, code }) => `${group} (${code})`).join(', ');
  throw new BerthError('E_IMAGE_BUILD', `${failed.length} of ${asked} images were not built: ${names}`);
}
