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

/** What every session's container is given, as the session contract lists it. Folders only. */
export function sessionMounts(groupsDir: string, group: Group, folders: SessionFolders): Mount[] {
  const { workspace, global } = groupFolders(groupsDir, group);
  return [
    { source: folders.in, target: '/session/in', readonly: true },
    { source: folders.out, target: '/session/out', readonly: false },
    { source: folders.home, target: '/home/agent', readonly: false },
    { source: workspace, target: '/group', readonly: false },
    { source: folders.instructions, target: '/instructions', readonly: true },
    { source: global, target: '/global', readonly: !group.admin },
  ];
}

/** Makes the folders of `sessionMounts`, with the right owner. */
export async function prepareFolders(
  deps: Dependencies,
  group: Group,
  folders: SessionFolders,
): Promise<void> {
  const { workspace, global } = groupFolders(deps.groupsDir, group);
  await Promise.all([
    makeSessionFolders(folders, deps.owner, deps.quota).then(() =>
      Promise.all([
        copyInstructions(deps.groupsDir, group, folders),
        limitFolders(deps.quota, group, folders),
      ]),
    ),
    mkdir(workspace, { recursive: true }).then(() => deps.owner && giveFolder(workspace, deps.owner)),
    mkdir(global, { recursive: true }).then(() => (group.admin ? giveGlobal(global, deps.owner) : undefined)),
  ]);
}

/** What a container writes to is bounded by the file system, where that can be. */
export async function limitFolders(quota: DiskQuota, group: Group, folders: SessionFolders): Promise<void> {
  const bytes = wall(group.limits.diskBytes);
  await Promise.all([folders.home, folders.out].map((folder) => quota.limit(folder, bytes)));
}

function groupFolders(groupsDir: string, { folder }: Group): { workspace: string; global: string } {
  return { workspace: join(groupsDir, folder, 'workspace'), global: join(groupsDir, 'global') };
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
