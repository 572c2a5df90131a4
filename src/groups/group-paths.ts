import { join } from 'node:path';

/** What a group's folder holds. Only `workspace` is ever seen by a container. */
export interface GroupPaths {
  folder: string;
  /** `group.yaml`. */
  file: string;
  /** `AGENTS.md`, which need not exist: what a wake fills `/instructions` from. */
  instructions: string;
  /** `/group` in the container. */
  workspace: string;
}

/** Where the parts of a group are. `folder` is a name that the registry knows. */
export function groupPaths(groupsDir: string, folder: string): GroupPaths {
  const path = join(groupsDir, folder);
  return {
    folder: path,
    file: join(path, 'group.yaml'),
    instructions: join(path, 'AGENTS.md'),
    workspace: join(path, 'workspace'),
  };
}
