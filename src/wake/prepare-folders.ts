import { chmod, copyFile, lchown, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { DiskQuota } from '../mailbox/disk-quota.ts';
import { makeSessionFolders, type SessionFolders } from '../mailbox/session-folders.ts';
import { giveFolder } from './give-folder.ts';

interface User {
  uid: number;
  gid: number;
}

interface Dependencies {
  groupsDir: string;
  /** `null`: the host is no root and everything is its own anyway. */
  owner: User | null;
  quota: DiskQuota;
}

/**
 * How far above `limits.disk` the file system's own limit is: what is past the former is told by the host, and the latter holds
 * what fills the disk before the host has looked.
 */
const MARGIN = { share: 1 / 16, leastBytes: 2 ** 20 };

/**
 * Makes the folders that a session's container is given, with the right owner.
 * @returns the mounts, as the session contract lists them. Folders only.
 */
export async function prepareFolders(
  deps: Dependencies,
  group: Group,
  folders: SessionFolders,
): Promise<Mount[]> {
  const workspace = join(deps.groupsDir, group.folder, 'workspace');
  const global = join(deps.groupsDir, 'global');
  await Promise.all([
    makeSessionFolders(folders, deps.owner, deps.quota).then(() =>
      Promise.all([
        copyInstructions(deps.groupsDir, group, folders),
        ...[folders.home, folders.out].map((folder) =>
          deps.quota.limit(folder, wall(group.limits.diskBytes)),
        ),
      ]),
    ),
    mkdir(workspace, { recursive: true }).then(() => deps.owner && giveFolder(workspace, deps.owner)),
    mkdir(global, { recursive: true }).then(() => (group.admin ? giveGlobal(global, deps.owner) : undefined)),
  ]);
  return [
    { source: folders.in, target: '/session/in', readonly: true },
    { source: folders.out, target: '/session/out', readonly: false },
    { source: folders.home, target: '/home/agent', readonly: false },
    { source: workspace, target: '/group', readonly: false },
    { source: folders.instructions, target: '/instructions', readonly: true },
    { source: global, target: '/global', readonly: !group.admin },
  ];
}

function wall(limitBytes: number): number {
  return Math.ceil(limitBytes + Math.max(limitBytes * MARGIN.share, MARGIN.leastBytes));
}

/** The agent's instructions are copied at each wake: what it could rewrite must not be what it is told. */
async function copyInstructions(groupsDir: string, group: Group, folders: SessionFolders): Promise<void> {
  const target = join(folders.instructions, 'AGENTS.md');
  try {
    await copyFile(join(groupsDir, group.folder, 'AGENTS.md'), target);
    // Whoever else may read the operator's file: the container's user is to read this one.
    await chmod(target, 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await rm(target, { force: true });
  }
}

/**
 * Where groups have users of their own, an admin group has to own what it is to write. With several such groups only the
 * folder itself goes from one to the other: what is in it may be changed by one of them while it is looked through.
 */
async function giveGlobal(folder: string, owner: User | null): Promise<void> {
  if (!owner) return;
  if ((await stat(folder)).uid === process.getuid?.()) await giveFolder(folder, owner);
  else await lchown(folder, owner.uid, owner.gid);
}
