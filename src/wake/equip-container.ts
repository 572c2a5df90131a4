import type { Mount } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import { prepareFolders } from './prepare-folders.ts';
import { needsWayOut, type WayOut, wayOut } from './way-out.ts';

interface User {
  uid: number;
  gid: number;
}

export interface EquipDependencies {
  groupsDir: string;
  /** The user of a group's containers; `owner` is `null` where folders need not be given to it. */
  userOf(folder: string): Promise<{ user: User; owner: User | null }>;
  /** The folder with the socket of the group's way out. */
  openWayOut(group: string, owner: User | null): Promise<string>;
}

/** What a container needs of the host before it can start, its image apart. */
export interface Equipment {
  user: User;
  mounts: Mount[];
  wayOut: WayOut;
}

/** Makes ready what a session's container is given: folders that are its user's, and its way out. */
export async function equipContainer(
  { groupsDir, userOf, openWayOut }: EquipDependencies,
  group: Group,
  folders: SessionFolders,
): Promise<Equipment> {
  const { user, owner } = await userOf(group.folder);
  const [mounts, socketFolder] = await Promise.all([
    prepareFolders({ groupsDir, owner }, group, folders),
    needsWayOut(group) ? openWayOut(group.folder, owner) : undefined,
  ]);
  return { user, mounts, wayOut: wayOut(socketFolder) };
}
