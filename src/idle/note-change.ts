import { isDeepStrictEqual } from 'node:util';
import type { AwakeSessions } from '../awake/awake-session.ts';
import type { Group } from '../groups/group.ts';

const isAllowList = ({ network }: Group) => typeof network === 'object';

/**
 * A group was edited: the periods of idleness and another list of allowed hosts hold from now on, for anything else its containers are replaced as soon as
 * they are idle. (A change without a difference in `group.yaml` is one of `AGENTS.md`.)
 */
export function createNoteChange(awake: AwakeSessions): (folder: string, group: Group | undefined) => void {
  return (folder, group) => {
    if (!group) return;
    for (const session of awake.all()) {
      if (session.group.folder !== folder) continue;
      const before = session.group;
      // Other packages replace nothing yet: that comes when their image is ready.
      const network = isAllowList(before) && isAllowList(group) ? group.network : before.network;
      session.group = { ...before, network, idle: group.idle, image: group.image };
      const isMore = isDeepStrictEqual(before, group) || !isDeepStrictEqual(session.group, group);
      session.outdated ||= isMore;
    }
  };
}
