import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ImageBuilder } from '../engines/image-builder.ts';
import { BerthError } from '../errors.ts';

const SUITE = 'bookworm';
const ROOTFS_IMAGE = `berth-debian:${SUITE}`;
const ROOTFS_LABEL = 'berth.rootfs';
const LIMIT_MS = 15 * 60_000;

/** For people. */
export const DEBIAN_SOURCE = `Debian packages (${SUITE})`;

/** Nobody reads manuals in a container: without them and the translations it is a quarter smaller. */
const LEFT_OUT = ['doc', 'man', 'locale', 'info', 'lintian'].map((name) => `/usr/share/${name}/*`);
const ARGUMENTS = [
  '--variant=minbase',
  '--include=ca-certificates,git,libnss-myhostname,tini',
  '--aptopt=Acquire::Languages "none"',
  ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
  // An image that a crash damaged is built again: dpkg need not wait for the disk, now and in images made from this one.
  '--dpkgopt=force-unsafe-io',
];
/** Debian's own Node is too old: this process's serves, which an npm package brought here. */
const NODE_HOOKS = [
  `--customize-hook=upload "${process.execPath}" /usr/local/bin/node`,
  '--customize-hook=chmod 755 "$1/usr/local/bin/node"',
];

/** What decides how it turns out, wherever this checkout lies; Node's version stands for its 120 MB. */
export const ROOTFS_RECIPE = createHash('sha256')
  .update([SUITE, ...ARGUMENTS, process.version, process.arch].join('\n'))
  .digest('hex')
  .slice(0, 32);

/** The image of Debian's packages and Node as an earlier build left it; undefined when there is none of this recipe. */
export async function findDebianRootfs(images: ImageBuilder): Promise<string | undefined> {
  const found = await images.inspect(ROOTFS_IMAGE);
  return found?.labels[ROOTFS_LABEL] === ROOTFS_RECIPE ? ROOTFS_IMAGE : undefined;
}

/**
 * Makes an image from Debian's packages and this process's Node, without any registry. @returns its name.
 * @throws E_BASE_SOURCE with one line of reason: no `mmdebstrap`, or what it said when it failed.
 */
export async function makeDebianRootfs(
  images: ImageBuilder,
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-rootfs-'));
  try {
    const tar = join(folder, 'rootfs.tar');
    await mmdebstrap([...ARGUMENTS, ...NODE_HOOKS, SUITE, tar, ...(await hostSources())], onLine, signal);
    onLine('handing the packages to the engine');
    await images.importRootfs(createReadStream(tar), ROOTFS_IMAGE, { [ROOTFS_LABEL]: ROOTFS_RECIPE });
    return ROOTFS_IMAGE;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The host's own sources where it runs the same Debian: it may have a mirror, and no way to Debian's. */
async function hostSources(): Promise<string[]> {
  for (const path of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    const content = await readFile(path, 'utf8').catch(() => '');
    if (new RegExp(`^(deb|Suites:)[^#]*\\b${SUITE}\\b`, 'm').test(content)) return [path];
  }
  return [];
}

async function mmdebstrap(
  args: string[],
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const child = spawn('mmdebstrap', args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Not by `timeout`: its timer outlives a program that could not be started, and keeps the host from ending.
    signal: AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(LIMIT_MS)]),
  });
  let lastError = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('E: ')) lastError ||= line.slice(3);
    if (line.startsWith('I: ')) onLine(line.slice(3).replace(/\.\.\.$/, ''));
  });
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new BerthError(
          'E_BASE_SOURCE',
          error.code === 'ENOENT' ? 'mmdebstrap is not installed' : `mmdebstrap cannot run: ${error.message}`,
          error,
        ),
      );
    });
    child.once('close', (exit, signal) => resolve(exit ?? signal));
  });
  if (code !== 0)
    throw new BerthError('E_BASE_SOURCE', `mmdebstrap failed: ${lastError || `it ended with ${code}`}`);
}
