import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mount, StartChecks } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import { type Judgement, judgeMount, type MountContext } from './judge-mount.ts';
import { lookForSecrets } from './look-for-secrets.ts';
import { readMountPoints } from './mount-points.ts';
import { type MountRoot, mountsFile, readMountRoots } from './mount-roots.ts';

/** What became of one of the `mounts` in a `group.yaml`. */
export type MountVerdict = { name: string; host: string; target: string } & (
  | (Extract<Judgement, { allowed: true }> & { real: string; identity: string })
  | (Extract<Judgement, { allowed: false }> & { real: string | null })
);

export interface MountDependencies {
  /** The home of the user that runs Berth. */
  home: string;
  /** Berth's own folders and the engine's sockets, with what each is. */
  forbidden: MountContext['forbidden'];
}

/**
 * Judges the extra mounts of a group as they are now: on the real path, after all links.
 * @throws E_MOUNTS_CONFIG when the group has any and the operator's list cannot be used.
 */
export async function judgeMounts(deps: MountDependencies, group: Group): Promise<MountVerdict[]> {
  if (group.mounts.length === 0) return [];
  const context = {
    group: group.folder,
    roots: await realRoots(await readMountRoots(deps.home)),
    forbidden: await realForbidden(deps),
    mountPoints: await readMountPoints(),
  };
  return await Promise.all(group.mounts.map((mount) => judge(mount, context)));
}

async function judge(mount: Group['mounts'][number], context: MountContext): Promise<MountVerdict> {
  const { host, name } = mount;
  const said = { name, host, target: `/mnt/${name}` };
  const found = await identify(host);
  if ('problem' in found) return { ...said, real: null, allowed: false, why: found.problem };
  const { real, identity } = found;
  // What is refused by its path need not be looked through: it may be the whole disk.
  const first = judgeMount(mount, { real }, context);
  if (!first.allowed) return { ...said, ...first, real };
  const { whole, ...held } = await lookForSecrets(real);
  const judgement = judgeMount(mount, { real, ...held }, context);
  if (!judgement.allowed) return { ...said, ...judgement, real };
  const why = whole ? judgement.why : `${judgement.why}; too large to be looked through for keys`;
  return { ...said, ...judgement, why, real, identity };
}

/** What the container is given. @throws E_MOUNT_REFUSED naming each that is refused, and why. */
export function allowedMounts(verdicts: MountVerdict[], group: string): Mount[] {
  const refused = verdicts.filter(({ allowed }) => !allowed);
  if (refused.length > 0) {
    const words = refused.map(({ host, why }) => `${host}: ${why}`).join('; ');
    throw new BerthError('E_MOUNT_REFUSED', `group ${group} may not mount ${words}`);
  }
  return verdicts.flatMap((one) =>
    one.allowed ? [{ source: one.real, target: one.target, readonly: one.readonly }] : [],
  );
}

/**
 * Looks again whether what was judged is what is mounted, because a path can be made to lead elsewhere in between: when
 * the container is made, and when it runs. Then it looks into the container itself, where this host can.
 * @param anchor a mount whose source nobody but the host can replace: by it the container's own files are known.
 */
export function mountChecks(verdicts: MountVerdict[], anchor: Mount): StartChecks | undefined {
  const allowed = verdicts.filter((one) => one.allowed);
  if (allowed.length === 0) return undefined;
  return {
    created: () => checkPaths(allowed),
    async started(root) {
      if (root !== undefined && (await isSame(anchor.source, join(root, anchor.target)))) {
        for (const { host, target, identity } of allowed)
          if ((await identityOf(join(root, target))) !== identity) throw swapped(host);
      } else await checkPaths(allowed);
    },
  };
}

type Allowed = Extract<MountVerdict, { allowed: true }>;

async function checkPaths(allowed: Allowed[]): Promise<void> {
  for (const { host, real, identity } of allowed) {
    const now = await identify(host);
    if ('problem' in now || now.real !== real || now.identity !== identity) throw swapped(host);
  }
}

function swapped(host: string): BerthError {
  return new BerthError('E_MOUNT_REFUSED', `${host} was changed while the container started`);
}

async function identify(path: string): Promise<{ real: string; identity: string } | { problem: string }> {
  try {
    const real = await realpath(path);
    const found = await stat(real, { bigint: true });
    if (!found.isDirectory()) return { problem: `${real} is no folder` };
    return { real, identity: `${found.dev}:${found.ino}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { problem: code === 'ENOENT' ? 'there is no such folder' : (error as Error).message };
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found && `${found.dev}:${found.ino}`;
}

async function isSame(one: string, other: string): Promise<boolean> {
  const identity = await identityOf(one);
  return identity !== undefined && identity === (await identityOf(other));
}

/** A root that is not there has nothing under it. */
async function realRoots(roots: MountRoot[] | undefined): Promise<MountRoot[] | undefined> {
  if (!roots) return undefined;
  const real = await Promise.all(
    roots.map(async (root) => ({ ...root, path: await realpath(root.path).catch(() => null) })),
  );
  return real.flatMap(({ path, ...root }) => (path === null ? [] : [{ ...root, path }]));
}

async function realForbidden({ home, forbidden }: MountDependencies): Promise<MountContext['forbidden']> {
  const list = { path: join(mountsFile(home), '..'), what: 'where the list of allowed mounts lies' };
  return await Promise.all(
    [...forbidden, list].map(async ({ path, what }) => ({
      path: await realpath(path).catch(() => path),
      what,
    })),
  );
}
