import type { SessionBody } from '../../contract/bodies.ts';
import type { Access } from '../credentials/access.ts';
import type { ContainerSpec, StartChecks } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';
import { type SessionFolders, sessionFolders } from '../mailbox/session-folders.ts';
import { containerName, containerSpec } from './container-spec.ts';
import { type EquipDependencies, equipContainer } from './equip-container.ts';

/** An image to start from, and what the agent should know of it. */
export interface ImageChoice {
  image: string;
  notice?: string | undefined;
  /** It lacks what the group's provider cannot work without: nothing is to be started from it. */
  lacks?: boolean | undefined;
}

const NOTHING: Access = { environment: {}, files: {} };

interface Dependencies extends EquipDependencies {
  install: string;
  dataDir: string;
  stopGraceMs: number;
  maxFileBytes: number;
  runtime: string | undefined;
  group(folder: string): Group;
}

/** What a session's container would be started with now, but for its image. */
export interface ContainerPlan {
  group: Group;
  folders: SessionFolders;
  /** What is to be looked at again while it starts. */
  checks: StartChecks | undefined;
  spec(epoch: number, image: string): ContainerSpec;
  /** What `in/` says of the session. */
  body(choice: ImageChoice): SessionBody;
}

/** @param adopting nothing is started: what is handed over at a start was handed over by an earlier host. */
export type PlanContainer = (
  session: { id: string; group: string },
  adopting?: boolean,
) => Promise<ContainerPlan>;

/**
 * Decides what a session's container is started with, from the group as it is now, and makes ready what it needs of the host:
 * for a wake, and for judging whether a container that an earlier host left at work is still as it should be.
 */
export function createPlan(deps: Dependencies): PlanContainer {
  return async function planContainer({ id: session, group: folder }, adopting = false) {
    const group = deps.group(folder);
    const folders = sessionFolders(deps.dataDir, folder, session);
    const asked = deps.accessFor(group);
    // Its requests need to know the gateway, but no container is judged by whether that answers just now.
    const access = adopting ? Promise.resolve(NOTHING) : asked;
    asked.catch(() => undefined); // it may fail before anybody waits for it
    const container = containerName(deps.install, session);
    const { checks, ...equipment } = await equipContainer(
      deps,
      { group, folders, container, adopting },
      access,
    );
    const { install, stopGraceMs, maxFileBytes, runtime } = deps;
    const fixed = { install, group, session, ...equipment, stopGraceMs, maxFileBytes, runtime };
    return {
      group,
      folders,
      checks,
      spec: (epoch, image) => containerSpec({ ...fixed, epoch, image }),
      body: (choice) => sessionBody(group, choice, equipment.access),
    };
  };
}

function sessionBody(group: Group, { notice }: ImageChoice, { problem }: Access): SessionBody {
  const notices = [notice, problem?.reason].filter((text) => text !== undefined);
  const { folder, agent, mcp, limits } = group;
  const servers = Object.keys(mcp).length > 0 && { mcp };
  return { group: folder, agent, ...servers, turnLimitMs: limits.turnMs, notices };
}
