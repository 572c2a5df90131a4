import { chmod, chown, lchown, lstat, mkdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DiskQuota } from './disk-quota.ts';

/** Where the parts of a session lie on the host. */
export interface SessionFolders {
  root: string;
  in: string;
  inFiles: string;
  inbound: string;
  out: string;
  outFiles: string;
  outbound: string;
  home: string;
  /** Files that the agent sent, copied out of its reach: `sent/<row id>/<name>`. */
  sent: string;
  /** The group's `AGENTS.md` as of the last wake. */
  instructions: string;
}

/** @param group name of the group's folder. */
export function sessionFolders(dataDir: string, group: string, session: string): SessionFolders {
  const root = join(dataDir, 'sessions', group, session);
  return {
    root,
    in: join(root, 'in'),
    inFiles: join(root, 'in', 'files'),
    inbound: join(root, 'in', 'inbound.db'),
    out: join(root, 'out'),
    outFiles: join(root, 'out', 'files'),
    outbound: join(root, 'out', 'outbound.db'),
    home: join(root, 'home'),
    sent: join(root, 'sent'),
    instructions: join(root, 'instructions'),
  };
}

/**
 * Makes what is missing. What the container writes to is given to its user; what it only reads stays the
 * host's. (The group's folder above is closed to other groups, so that `in/` may be readable to whichever uid the
 * container has.)
 */
export async function makeSessionFolders(
  folders: SessionFolders,
  owner: { uid: number; gid: number } | null,
  quota: Pick<DiskQuota, 'make'>,
): Promise<void> {
  await mkdir(folders.root, { recursive: true, mode: 0o755 });
  await Promise.all([
    mkdir(folders.inFiles, { recursive: true, mode: 0o755 }),
    mkdir(folders.instructions, { recursive: true, mode: 0o755 }),
    mkdir(folders.sent, { recursive: true, mode: 0o700 }),
    ...[folders.home, folders.out].map((folder) => makeRealFolder(folder, quota)),
  ]);
  if (!owner) return;
  const ofGroup = dirname(folders.root);
  await chown(ofGroup, process.getuid?.() ?? 0, owner.gid);
  await chmod(ofGroup, 0o710);
  await Promise.all([folders.home, folders.out].map((folder) => lchown(folder, owner.uid, owner.gid)));
}

/** Where no container holds it, a runner may have put a link in its folder's place: it would be given what that points to. */
async function makeRealFolder(folder: string, quota: Pick<DiskQuota, 'make'>): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found) await unlink(folder);
  await quota.make(folder);
}
