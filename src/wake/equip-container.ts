import type { Access } from '../credentials/access.ts';
import type { Mount, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import { type PlanDependencies, planMounts } from './plan-mounts.ts';
import { needsWayOut, type WayOut, wayOut } from './way-out.ts';

interface User {
  uid: number;
  gid: number;
}

export interface EquipDependencies extends PlanDependencies {
  /** The user of a group's containers; `owner` is `null` where folders need not be given to it. */
  userOf(folder: string): Promise<{ user: User; owner: User | null }>;
  /** The folder with the socket of the group's way out. */
  openWayOut(group: string, owner: User | null): Promise<string>;
  /** Where the group's containers get access from. */
  accessFor(group: Group): Promise<Access>;
}

/** What a container needs of the host before it can start, its image apart. */
export interface Equipment {
  user: User;
  mounts: Mount[];
  checks: StartChecks | undefined;
  wayOut: WayOut;
  access: Access;
}

/**
 * Makes ready what a session's container is given: folders that are its user's, and its way out.
 * @param access asked for already: it may take longer than all the rest.
 * @throws E_MOUNT_REFUSED, E_MOUNTS_CONFIG, E_DATA_DIR; what `accessFor` throws.
 */
export async function equipContainer(
  deps: EquipDependencies,
  group: Group,
  folders: SessionFolders,
  access: Promise<Access>,
): Promise<Equipment> {
  const { user, owner } = await deps.userOf(group.folder);
  const [planned, socketFolder, given] = await Promise.all([
    planMounts(deps, group, folders, owner),
    needsWayOut(group) ? deps.openWayOut(group.folder, owner) : undefined,
    access,
  ]);
  return { user, ...planned, wayOut: wayOut(socketFolder), access: given };
}
