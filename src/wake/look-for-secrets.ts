import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { secretPart } from './secret-names.ts';

/** So many entries of a folder are looked at, outer ones first: it is done at each wake. */
const MOST_ENTRIES = 10_000;

/** Made by programs from public sources, and full of keys that are none. */
const SKIPPED = ['node_modules', '.git'];

/** Sockets of container engines, wherever theirs are put: Colima's, Rancher Desktop's, Lima's, a rootless one's. */
const ENGINE = /(docker|podman|containerd|crio|cri-o|buildkit|nerdctl).*\.sock$/i;

/**
 * Looks for names of credentials and keys in a folder, and for sockets of engines; links are not followed.
 * @returns the first one's path relative to the folder (a key's as `secret`, a socket's as `engine`), and whether all of the folder was looked at.
 */
export async function lookForSecrets(
  folder: string,
): Promise<{ secret?: string; engine?: string; whole: boolean }> {
  let level = [folder];
  let seen = 0;
  while (level.length > 0) {
    const next: string[] = [];
    for (const at of level) {
      for (const entry of await entriesOf(at)) {
        const path = join(at, entry.name);
        if (secretPart(relative(folder, path))) return { secret: relative(folder, path), whole: false };
        if (entry.isSocket() && ENGINE.test(entry.name))
          return { engine: relative(folder, path), whole: false };
        if (++seen > MOST_ENTRIES) return { whole: false };
        if (entry.isDirectory() && !SKIPPED.includes(entry.name)) next.push(path);
      }
    }
    level = next;
  }
  return { whole: true };
}

/** What the host may not read is nothing that it could look at. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  return await readdir(folder, { withFileTypes: true }).catch(() => []);
}
