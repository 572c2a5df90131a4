import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const READ = 4;
const SEARCH = 1;

interface User {
  uid: number;
  gid: number;
}

/** True when that user may read the file or open the folder, by the mode bits of itself and of all folders above it. */
export async function canReach(path: string, user: User): Promise<boolean> {
  if (!(await canReadItself(path, user))) return false;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (!(await allows(folder, user, SEARCH))) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** As `canReach`, whatever the folders above it: for what is mounted somewhere else. */
export async function canReadItself(path: string, user: User): Promise<boolean> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  return await allows(path, user, isFolder ? READ | SEARCH : READ);
}

async function allows(path: string, user: User, wanted: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return false;
  const shift = found.uid === user.uid ? 6 : found.gid === user.gid ? 3 : 0;
  return ((found.mode >> shift) & wanted) === wanted;
}
