import { constants } from 'node:fs';
import { type FileHandle, lchown, open, readdir } from 'node:fs/promises';

interface User {
  uid: number;
  gid: number;
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const SEPARATOR = Buffer.from('/');

/**
 * Gives a folder and all that is in it to a user; nothing to do where its owner is right already. Below the folder every
 * step goes through an open descriptor: a container of that user may be at work in it, and a path that it made a link would
 * lead to files of the host.
 *
 * @param folder may itself be a link, which is the operator's.
 */
export async function giveFolder(folder: string, owner: User): Promise<void> {
  const handle = await open(folder, O_RDONLY | O_DIRECTORY);
  try {
    if ((await handle.stat()).uid === owner.uid) return;
    await giveEntries(handle, Buffer.from(folder), owner);
    // Last, because it is what says that all is done.
    await handle.chown(owner.uid, owner.gid);
  } finally {
    await handle.close();
  }
}

async function giveEntries({ fd }: FileHandle, path: Buffer, owner: User): Promise<void> {
  // Elsewhere than on Linux a descriptor has no path; there containers live in a machine of their own.
  const folder = process.platform === 'linux' ? Buffer.from(`/proc/self/fd/${fd}`) : path;
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries) {
    const within = Buffer.concat([folder, SEPARATOR, entry.name]);
    if (entry.isDirectory()) await whileThere(() => giveWithin(within, owner));
    else await whileThere(() => lchown(within, owner.uid, owner.gid));
  }
}

async function giveWithin(path: Buffer, owner: User): Promise<void> {
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await giveEntries(handle, path, owner);
    await handle.chown(owner.uid, owner.gid);
  } finally {
    await handle.close();
  }
}

/** What went away since it was listed, or became something else, is whoever's did that. */
async function whileThere(give: () => Promise<void>): Promise<void> {
  try {
    await give();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) throw error;
  }
}
