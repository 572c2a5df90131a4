import type { Access } from '../credentials/access.ts';
import type { ContainerNetwork, Mount, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import { type PlanDependencies, planMounts } from './plan-mounts.ts';
import { needsWayOut, type WayOut, type WayOutKind, wayOut, wayOutOverNetwork } from './way-out.ts';

interface User {
  uid: number;
  gid: number;
}

export interface EquipDependencies extends PlanDependencies {
  /** The user of a group's containers; `owner` is `null` where folders need not be given to it. */
  userOf(folder: string): Promise<{ user: User; owner: User | null }>;
  /** The folder with the socket of the group's way out. */
  openWayOut(group: string, owner: User | null): Promise<string>;
  /** Or the same at the host's end of a container's own network. */
  openWayOutAt(container: string, group: string, network: ContainerNetwork): Promise<void>;
  wayOutKind: WayOutKind;
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

/** Whom it is for. */
interface Wanting {
  group: Group;
  folders: SessionFolders;
  /** Name of the container. */
  container: string;
  /** It is at work already. */
  adopting: boolean;
}

/**
 * Makes ready what a session's container is given: folders that are its user's, and its way out.
 * @param asked for access, before anything else: it may take longer than all the rest.
 * @throws E_MOUNT_REFUSED, E_MOUNTS_CONFIG, E_DATA_DIR; what `accessFor` throws.
 */
export async function equipContainer(
  deps: EquipDependencies,
  { group, folders, container, adopting }: Wanting,
  asked: Promise<Access>,
): Promise<Equipment> {
  const { user, owner } = await deps.userOf(group.folder);
  const overNetwork = needsWayOut(group) && deps.wayOutKind === 'network';
  const [{ mounts, checks }, socketFolder, access] = await Promise.all([
    planMounts(deps, group, folders, owner, adopting),
    needsWayOut(group) && !overNetwork ? deps.openWayOut(group.folder, owner) : undefined,
    asked,
  ]);
  if (!overNetwork) return { user, mounts, checks, wayOut: wayOut(socketFolder), access };
  const networked = (network: ContainerNetwork) => deps.openWayOutAt(container, group.folder, network);
  return { user, mounts, checks: { ...NO_CHECKS, ...checks, networked }, wayOut: wayOutOverNetwork, access };
}

const NO_CHECKS: StartChecks = { created: async () => undefined, started: async () => undefined };
