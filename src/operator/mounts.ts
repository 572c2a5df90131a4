import { homedir } from 'node:os';
import type { Config } from '../config.ts';
import { loadGroups } from '../groups/load-groups.ts';
import { allowedMounts, judgeMounts } from '../wake/extra-mounts.ts';
import { forbiddenFolders } from '../wake/forbidden-folders.ts';
import { groupOf } from './find-groups.ts';
import { printTable } from './print-table.ts';

/**
 * `berth mounts check <group>`: what becomes of each of the group's `mounts`, and why. Needs no host.
 * @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG, E_MOUNTS_CONFIG; E_MOUNT_REFUSED when one is refused, as at a wake: the group's
 * containers do not start.
 */
export async function checkMounts(
  config: Readonly<Config>,
  folder: string,
  options: { json?: boolean },
): Promise<void> {
  const group = groupOf(await loadGroups(config.groupsDir), folder);
  const verdicts = await judgeMounts({ home: homedir(), forbidden: forbiddenFolders(config) }, group);
  const rows = verdicts.map((one) => ({
    host: one.host,
    real: one.real,
    target: one.target,
    verdict: one.allowed ? (one.readonly ? 'read-only' : 'read-write') : 'refused',
    why: one.why,
  }));
  const { stdout } = process;
  if (options.json) stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else
    printTable(
      stdout,
      ['HOST', 'LEADS TO', 'IN CONTAINER', 'VERDICT', 'WHY'],
      rows.map(({ host, real, target, verdict, why }) => [host, real ?? '-', target, verdict, why]),
    );
  allowedMounts(verdicts, group.folder);
}
