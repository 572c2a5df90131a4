import { arch, platform } from 'node:process';
import type { ImageBuilder } from '../engines/image-builder.ts';
import { asBerthError, BerthError } from '../errors.ts';
import { findDebianRootfs, makeDebianRootfs } from './debian-rootfs.ts';

/** Longest silence of a registry, in milliseconds. */
const PULL_IDLE_MS = 20_000;

/** Where the base image comes from: an image that has Node, or Debian's packages, which have none. */
export interface BaseSource {
  kind: 'registry' | 'debian';
  /** The image to build from. */
  from: string;
}

interface Deps {
  images: ImageBuilder;
  onLine: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Finds something to build from: `from` where the engine has it or can pull it, else Debian's packages.
 *
 * @param afresh true: pull and bootstrap again, also when the engine has an older copy.
 * @throws E_BASE_SOURCE saying why neither can be had.
 */
export async function findBaseSource(
  { images, onLine, signal }: Deps,
  from: string,
  architecture: string,
  afresh: boolean,
): Promise<BaseSource> {
  const present = (await images.inspect(from)) !== undefined;
  if (present && !afresh) return { kind: 'registry', from };
  // What was bootstrapped once is taken again at once: a registry that cannot be reached may take its time to say so.
  const rootfs = await findDebianRootfs(images);
  if (rootfs && !afresh && !present) return { kind: 'debian', from: rootfs };
  signal?.throwIfAborted();
  const refusal = await pull({ images, onLine }, from);
  if (!refusal || present) return { kind: 'registry', from };
  try {
    if (platform !== 'linux' || arch !== architecture) {
      throw new BerthError(
        'E_BASE_SOURCE',
        `this host's Node (${platform} ${arch}) does not run in the engine (linux ${architecture})`,
      );
    }
    onLine(`${from} cannot be had (${refusal}): taking Debian's packages`);
    return { kind: 'debian', from: await makeDebianRootfs(images, onLine, signal) };
  } catch (error) {
    const { code, message } = asBerthError(error);
    if (code !== 'E_BASE_SOURCE') throw error;
    throw new BerthError('E_BASE_SOURCE', `${from} cannot be had (${refusal}), and ${message}`, error);
  }
}

/** @returns undefined when it worked, else the reason in a few words. */
async function pull({ images, onLine }: Deps, from: string): Promise<string | undefined> {
  onLine(`pulling ${from}`);
  try {
    await images.pull(from, PULL_IDLE_MS, onLine);
    return undefined;
  } catch (error) {
    const { message } = asBerthError(error);
    return message.replace(/^pulling \S+: /, '').split('\n')[0];
  }
}
