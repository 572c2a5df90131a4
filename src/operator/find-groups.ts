import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { LoadedGroup } from '../groups/load-groups.ts';

/** @throws E_GROUP_UNKNOWN, with the groups that there are; E_GROUP_CONFIG when its file is not valid. */
export function groupOf(loaded: Map<string, LoadedGroup>, folder: string): Group {
  const found = loaded.get(folder);
  if (!found) {
    const known = [...loaded.keys()].join(', ') || 'none';
    throw new BerthError(
      'E_GROUP_UNKNOWN',
      `there is no group ${JSON.stringify(folder.slice(0, 80))} (there are: ${known})`,
    );
  }
  if ('error' in found.outcome) throw found.outcome.error;
  return found.outcome.group;
}
