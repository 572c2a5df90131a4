import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asBerthError } from '../errors.ts';
import { loadGroups } from '../groups/load-groups.ts';
import { checkLedger } from '../ledger/check-ledger.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const MiB = 1024 * 1024;
const LITTLE_ROOM = 1024 * MiB;
const NO_ROOM = 64 * MiB;
const LEDGER_LIMIT_MS = 600_000;

/** The data folder: may it be written, and by nobody else? */
export function diagnoseDataFolder(dataDir: string): Finding {
  const check = 'data folder';
  const remedy = 'Give the folder to the user that runs Berth, or point `BERTH_DATA_DIR` elsewhere.';
  if (!existsSync(dataDir)) {
    const above = existing(dataDir);
    return mayWrite(above)
      ? ok(check, `${dataDir} is made at the first start`)
      : fail(check, `${dataDir} cannot be made: ${above} may not be written`, remedy);
  }
  if (!statSync(dataDir).isDirectory()) return fail(check, `${dataDir} is no folder`, remedy);
  if (!mayWrite(dataDir)) return fail(check, `${dataDir} may not be written`, remedy);
  if ((statSync(dataDir).mode & 0o066) === 0)
    return ok(check, `${dataDir} may be written, by its owner alone`);
  return warn(check, `${dataDir} is open to other users of this machine`, `chmod 700 ${dataDir}`);
}

/** The groups folder, and every `group.yaml` in it. */
export async function diagnoseGroups(groupsDir: string): Promise<Finding[]> {
  const check = 'groups folder';
  try {
    const loaded = [...(await loadGroups(groupsDir)).values()];
    const openToAll = (statSync(groupsDir).mode & 0o002) !== 0;
    const folder = openToAll
      ? warn(check, `everybody may write to ${groupsDir}`, `chmod o-w ${groupsDir}`)
      : loaded.length === 0
        ? warn(
            check,
            `${groupsDir} has no group`,
            'Make a folder with a `group.yaml` in it; see `docs/groups.md`.',
          )
        : ok(check, `${groupsDir} can be read`);
    const groups = loaded.map(({ folder: name, outcome }) => {
      if ('group' in outcome) return ok(`group ${name}`, `its group.yaml is valid: ${outcome.group.name}`);
      return fail(`group ${name}`, outcome.error.message, outcome.error.remedy);
    });
    return [folder, ...groups];
  } catch (error) {
    const { message, remedy } = asBerthError(error);
    return [fail(check, message, remedy)];
  }
}

/** Room on the data folder's disk: bytes and files. */
export function diagnoseDisk(dataDir: string): Finding {
  const check = 'disk';
  const { bavail, bsize, files, ffree } = statfsSync(existing(dataDir));
  const free = bavail * bsize;
  const says = `${Math.round(free / MiB)} MiB free for ${dataDir}`;
  const remedy = 'Make room: a full disk refuses messages.';
  if (free < NO_ROOM) return fail(check, says, remedy);
  if (free < LITTLE_ROOM) return warn(check, says, remedy);
  if (files > 0 && ffree < files / 100) return warn(check, `${ffree} more files fit for ${dataDir}`, remedy);
  return ok(check, says);
}

/** The ledger, from its first page to its last. */
export async function diagnoseLedger(dataDir: string): Promise<Finding> {
  const check = 'ledger';
  const path = join(dataDir, 'host.db');
  try {
    await checkLedger(path, LEDGER_LIMIT_MS, () => undefined);
    return ok(check, existsSync(path) ? `${path} is sound` : `${path} is made at the first start`);
  } catch (error) {
    const { message, remedy } = asBerthError(error);
    return fail(check, message, remedy);
  }
}

/** The path, or what is there of the folders above it. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
