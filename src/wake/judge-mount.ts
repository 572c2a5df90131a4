import { relative, sep } from 'node:path';
import type { Group } from '../groups/group.ts';
import type { MountRoot } from './mount-roots.ts';
import { secretPart } from './secret-names.ts';

/** What was found where a mount points to, after all links. */
export interface FoundFolder {
  real: string;
  /** A name of a credential or key within, relative to the folder. */
  secret?: string | undefined;
  /** The socket of a container engine within, likewise. */
  engine?: string | undefined;
}

export interface MountContext {
  group: string;
  /** `undefined`: there is no list. Real paths. */
  roots: MountRoot[] | undefined;
  /** What nobody may mount, nor anything that holds it, nor anything in it: by real path, with what it is. */
  forbidden: { path: string; what: string }[];
  /** Where the host has file systems mounted. */
  mountPoints: string[];
}

export type Judgement = { allowed: true; readonly: boolean; why: string } | { allowed: false; why: string };

/** Of the system: what runs it, describes it or holds the control sockets of its programs. */
const SYSTEM = [
  '/proc',
  '/sys',
  '/dev',
  '/etc',
  '/run',
  '/var/run',
  '/boot',
  '/var/lib/docker',
  '/var/lib/containerd',
];

/** Whether a group may have that mount, and why. Refusals first: no list overrules them. Pure. */
export function judgeMount(
  { host, readonly }: Group['mounts'][number],
  { real, secret, engine }: FoundFolder,
  { group, roots, forbidden, mountPoints }: MountContext,
): Judgement {
  const refused = (why: string) => ({ allowed: false as const, why });
  const leads = real === host.replace(/(.)\/+$/, '$1') ? '' : ` (${host} leads to ${real})`;
  const name = secretPart(real);
  if (name) return refused(`${name} is the name of credentials or keys${leads}`);
  const system = SYSTEM.find((path) => overlap(path, real));
  if (system) return refused(`it is, holds or lies in ${system}, which belongs to the system${leads}`);
  const own = forbidden.find(({ path }) => overlap(path, real));
  if (own) return refused(`it is, holds or lies in ${own.path}, ${own.what}${leads}`);
  // It would come along with its own rights: an engine makes the outer one read-only, and not each makes the inner ones so.
  const inner = mountPoints.find((path) => path !== real && isWithin(path, real));
  if (inner) return refused(`something is mounted in it, at ${inner}: mount a folder without it${leads}`);
  if (secret)
    return refused(`it holds ${secret}, the name of credentials or keys: mount a folder without it`);
  if (engine)
    return refused(`it holds ${engine}, the socket of a container engine: mount a folder without it`);
  if (!roots) return refused('there is no list of what may be mounted');
  const root = innermost(roots.filter(({ path }) => isWithin(real, path)));
  if (!root) return refused(`it lies under none of the roots${leads}`);
  if (root.groups && !root.groups.includes(group))
    return refused(`the root ${root.path} is not for this group`);
  if (readonly || root.readwrite) return { allowed: true, readonly, why: `under the root ${root.path}` };
  return { allowed: true, readonly: true, why: `under the root ${root.path}, which is read-only` };
}

/** True when `inner` is `outer` or lies in it. Absolute paths. */
export function isWithin(inner: string, outer: string): boolean {
  const way = relative(outer, inner);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

function overlap(one: string, other: string): boolean {
  return isWithin(one, other) || isWithin(other, one);
}

/** Of roots that lie in one another, the innermost decides. */
function innermost(roots: MountRoot[]): MountRoot | undefined {
  return roots.toSorted((one, other) => other.path.length - one.path.length)[0];
}
