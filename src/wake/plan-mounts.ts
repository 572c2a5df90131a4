import { homedir } from 'node:os';
import type { Mount, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { DiskQuota } from '../mailbox/disk-quota.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import { allowedMounts, judgeMounts, type MountDependencies, mountChecks } from './extra-mounts.ts';
import { limitFolders, prepareFolders, sessionMounts } from './prepare-folders.ts';
import { projectMounts } from './project-folders.ts';

export interface PlanDependencies {
  dataDir: string;
  groupsDir: string;
  quota: DiskQuota;
  /** What no group may mount by its own declaration. */
  forbidden: MountDependencies['forbidden'];
}

/**
 * All that a session's container sees of the host: the folders that every session has, those of an admin group, and those that
 * the group declares.
 * @param owner whom folders are given to; `null`: the host is no root and everything is its own anyway.
 * @param adopting a container is at work in the folders: they are as they should be, but for their limits.
 * @throws E_MOUNT_REFUSED, E_MOUNTS_CONFIG.
 */
export async function planMounts(
  { dataDir, groupsDir, forbidden, quota }: PlanDependencies,
  group: Group,
  folders: SessionFolders,
  owner: { uid: number; gid: number } | null,
  adopting: boolean,
): Promise<{ mounts: Mount[]; checks: StartChecks | undefined }> {
  const [project, verdicts] = await Promise.all([
    group.admin ? projectMounts([groupsDir, dataDir]) : [],
    judgeMounts({ home: homedir(), forbidden }, group),
    adopting
      ? limitFolders(quota, group, folders)
      : prepareFolders({ groupsDir, owner, quota }, group, folders),
  ]);
  return {
    mounts: [
      ...sessionMounts(groupsDir, group, folders),
      ...project,
      ...allowedMounts(verdicts, group.folder),
    ],
    checks: mountChecks(verdicts, { source: folders.in, target: '/session/in', readonly: true }),
  };
}
