import { homedir } from 'node:os';
import type { Mount, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import { allowedMounts, judgeMounts, type MountDependencies, mountChecks } from './extra-mounts.ts';
import { mountsOf } from './prepare-folders.ts';
import { projectMounts } from './project-folders.ts';

interface Dependencies {
  dataDir: string;
  groupsDir: string;
  /** What no group may mount by its own declaration. */
  forbidden: MountDependencies['forbidden'];
}

/**
 * All that a session's container sees of the host: the folders that every session has, those of an admin group, and those
 * that the group declares. Changes nothing.
 * @throws E_MOUNT_REFUSED, E_MOUNTS_CONFIG.
 */
export async function planMounts(
  { dataDir, groupsDir, forbidden }: Dependencies,
  group: Group,
  folders: SessionFolders,
): Promise<{ mounts: Mount[]; checks: StartChecks | undefined }> {
  const [project, verdicts] = await Promise.all([
    group.admin ? projectMounts([groupsDir, dataDir]) : [],
    judgeMounts({ home: homedir(), forbidden }, group),
  ]);
  return {
    mounts: [...mountsOf(groupsDir, group, folders), ...project, ...allowedMounts(verdicts, group.folder)],
    checks: mountChecks(verdicts, { source: folders.in, target: '/session/in', readonly: true }),
  };
}
