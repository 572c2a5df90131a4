import { chmod, chown, lstat, mkdir, open, readdir, rm, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HANDED_DIR, KEYS_FILE } from '../../contract/handed-over.ts';
import { BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ContainerSpec, Mount } from './engine.ts';

/** What `statfs` says of a file system in memory. */
const TMPFS = 0x01021994;
const IN_MEMORY = '/dev/shm';

type Handing = Pick<ContainerSpec, 'name' | 'user' | 'handed'>;
type User = ContainerSpec['user'];

/** The folders in memory by which containers are handed keys and certificates: one per container, gone with it. */
export interface HandedFolders {
  /** Makes the container's folder, still empty. @returns the mount; none where nothing is handed over. */
  make(spec: Handing): Promise<Mount[]>;
  /** Puts in what the spec hands over; the container's user alone may read it. */
  fill(spec: Handing): Promise<void>;
  /** Removes the folder, if there is one. */
  remove(name: string): Promise<void>;
  /** Removes the folders of containers that are gone. @param prefix how the names of the install's containers begin. */
  sweep(prefix: string, living: readonly string[]): Promise<void>;
}

/** @param base where to make them; found out when absent. */
export function createHandedFolders(log: Logger, base?: string): HandedFolders {
  let root: Promise<string> | undefined;
  const folderOf = async (name: string) => {
    root ??= openRoot(log, base);
    return join(await root, name);
  };

  return {
    async make({ name, user, handed }) {
      if (!handed) return [];
      const folder = await folderOf(name).catch((error: unknown) => {
        root = undefined; // the next wake tries again
        throw error;
      });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (isRoot()) await showTo(user, folder);
      return [{ source: folder, target: HANDED_DIR, readonly: true }];
    },
    async fill({ name, user, handed }) {
      if (!handed) return;
      const folder = await folderOf(name);
      const files = { ...handed.files, [KEYS_FILE]: exportLines(handed.environment) };
      for (const [file, content] of Object.entries(files)) {
        const path = join(folder, file);
        await rm(path, { force: true });
        await writeFor(user, path, content);
      }
    },
    async remove(name) {
      await rm(join(await placeOf(base), name), { recursive: true, force: true });
    },
    async sweep(prefix, living) {
      const place = await placeOf(base);
      const names = await readdir(place).catch(() => []);
      for (const name of names) {
        if (name.startsWith(prefix) && !living.includes(name))
          await rm(join(place, name), { recursive: true, force: true });
      }
    },
  };
}

/** Removes a folder that nothing was put in. */
export async function removeEmpty(mounts: Mount[]): Promise<void> {
  for (const { source } of mounts) await rmdir(source).catch(() => undefined);
}

/** Lines that `/bin/sh` reads back as exactly these values. */
function exportLines(environment: Record<string, string>): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'\n`)
    .join('');
}

async function openRoot(log: Logger, base: string | undefined): Promise<string> {
  const place = await placeOf(base);
  if (!place.startsWith(IN_MEMORY) && base === undefined)
    log.warn({ folder: place }, 'there is no file system in memory: keys that are handed over lie on a disk');
  await mkdir(place, { recursive: true, mode: 0o711 });
  // Anybody may make folders there: one that is not ours alone is no place for keys.
  const found = await lstat(place);
  if (!found.isDirectory() || found.uid !== process.getuid?.())
    throw new BerthError('E_CREDENTIALS_FOLDER', `${place} is not a folder of the host's own user`);
  await chmod(place, 0o711);
  return place;
}

async function placeOf(base: string | undefined): Promise<string> {
  const type = base ?? (await statfs(IN_MEMORY).catch(() => undefined))?.type;
  const above = base ?? (type === TMPFS ? IN_MEMORY : tmpdir());
  return join(above, `berth-${process.getuid?.() ?? 'host'}`);
}

const isRoot = () => process.getuid?.() === 0;

/**
 * The folder stays the host's: who could write to it could put a link in the place of a file that the host is just about to
 * write or to give away.
 */
async function showTo({ gid }: User, folder: string): Promise<void> {
  await chown(folder, 0, gid);
  await chmod(folder, 0o750);
}

/** By the descriptor of what was made here, never by a path that may lead elsewhere by now. */
async function writeFor({ uid, gid }: User, path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o400);
  try {
    await file.writeFile(content);
    // Only root can, and only root has to.
    if (isRoot()) await file.chown(uid, gid);
  } finally {
    await file.close();
  }
}
