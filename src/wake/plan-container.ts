import type { SessionBody } from '../../contract/bodies.ts';
import type { ContainerSpec, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import { type SessionFolders, sessionFolders } from '../mailbox/session-folders.ts';
import { containerSpec } from './container-spec.ts';
import type { MountDependencies } from './extra-mounts.ts';
import { planMounts } from './plan-mounts.ts';

/** An image to start from, and what the agent should know of it. */
export interface ImageChoice {
  image: string;
  notice?: string | undefined;
}

interface Dependencies {
  install: string;
  dataDir: string;
  groupsDir: string;
  stopGraceMs: number;
  maxFileBytes: number;
  runtime: string | undefined;
  /** What no group may mount by its own declaration. */
  forbidden: MountDependencies['forbidden'];
  group(folder: string): Group;
  /** The user of a group's containers; `owner` is `null` where folders need not be given to it. */
  userOf(
    folder: string,
  ): Promise<{ user: { uid: number; gid: number }; owner: { uid: number; gid: number } | null }>;
}

/** What a session's container would be started with now, but for its image. */
export interface ContainerPlan {
  group: Group;
  folders: SessionFolders;
  owner: { uid: number; gid: number } | null;
  spec(epoch: number, image: string): ContainerSpec;
  /** What is to be looked at again while it starts. */
  checks: StartChecks | undefined;
  /** What `in/` says of the session. */
  body(choice: ImageChoice): SessionBody;
}

export type PlanContainer = (session: { id: string; group: string }) => Promise<ContainerPlan>;

/**
 * Decides what a session's container is started with, from the group as it is now: for a wake, and for judging whether a
 * container that an earlier host left at work is still as it should be. Changes nothing.
 */
export function createPlan(deps: Dependencies): PlanContainer {
  return async function planContainer({ id: session, group: folder }) {
    const group = deps.group(folder);
    const folders = sessionFolders(deps.dataDir, folder, session);
    const { user, owner } = await deps.userOf(folder);
    const { install, stopGraceMs, maxFileBytes, runtime } = deps;
    const { mounts, checks } = await planMounts(deps, group, folders);
    const fixed = { install, group, session, user, mounts, stopGraceMs, maxFileBytes, runtime };
    return {
      group,
      folders,
      owner,
      checks,
      spec: (epoch, image) => containerSpec({ ...fixed, epoch, image }),
      body: (choice) => sessionBody(group, choice),
    };
  };
}

function sessionBody(group: Group, { notice }: ImageChoice): SessionBody {
  const notices = notice === undefined ? [] : [notice];
  return { group: group.folder, agent: group.agent, turnLimitMs: group.limits.turnMs, notices };
}
