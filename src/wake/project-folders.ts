import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount } from '../engines/engine.ts';
import { checkout } from './forbidden-folders.ts';
import { isWithin } from './judge-mount.ts';
import { lookForSecrets } from './look-for-secrets.ts';

/** What an admin group sees of Berth itself: what it is made of, nothing that is made while it runs. */
const NAMED = ['agent-runner', 'container', 'contract', 'docs', 'migrations', 'src'];

/**
 * The mounts under `/project`. One is left out when somebody has put a key into it, or the data or groups folder.
 * @param kept folders of which no part may be shown.
 */
export async function projectMounts(kept: string[]): Promise<Mount[]> {
  const mounts = NAMED.map((name) => ({
    source: join(checkout, name),
    target: `/project/${name}`,
    readonly: true,
  }));
  const shown = await Promise.all(mounts.map(({ source }) => mayBeShown(source, kept)));
  return mounts.filter((_, index) => shown[index]);
}

async function mayBeShown(folder: string, kept: string[]): Promise<boolean> {
  if (kept.some((path) => isWithin(path, folder))) return false;
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) return false;
  const { secret, engine } = await lookForSecrets(folder);
  return secret === undefined && engine === undefined;
}
