import { lstatSync } from 'node:fs';
import type { ContainerSpec, Mount } from './engine.ts';

/** What of the host's own files a runner sees, read-only: programs and what they need to run; nothing of a user. */
const SYSTEM = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/crypto-policies',
  '/etc/hosts',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/nsswitch.conf',
  '/etc/pki',
  '/etc/resolv.conf',
  '/etc/services',
  '/etc/ssl',
];

/** Keys of the host among them, which a group's user may be allowed to read: an empty folder lies over each. */
const HIDDEN = ['/etc/ssl/private', '/etc/pki/tls/private'];

/** File descriptors of the `bwrap` process beyond the usual three. */
export const FD = { info: 3, passwd: 4 } as const;

/**
 * Arguments by which `bwrap` builds the walls: namespaces of its own, the system read-only. It dies with the host, and
 * all within die with it. A host that is root makes the mounts as root, so that they may lie where the user cannot
 * look, and only then becomes that user.
 */
export function wallArguments(
  user: { uid: number; gid: number },
  network: ContainerSpec['network'],
  inner: string[] = [],
): string[] {
  const asRoot = process.getuid?.() === 0;
  return [
    '--die-with-parent',
    '--new-session', // without it a process could push keys into the host's terminal
    ...(asRoot ? [] : ['--unshare-user']),
    ...['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try'],
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...(asRoot ? ['--cap-drop', 'ALL', '--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID'] : []),
    ...['--dir', '/etc'],
    ...SYSTEM.flatMap((path) => ['--ro-bind-try', path, path]),
    ...HIDDEN.filter(isFolder).flatMap((path) => ['--tmpfs', path]),
    ...['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/tmp'],
    ...inner,
    '--',
    ...(asRoot ? becomeUser(user) : []),
  ];
}

/** What leads elsewhere leads, within the walls, to nothing. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The walls for one runner: the mounts and folders in memory of its spec, and an account called `agent`. */
export function roomArguments(spec: ContainerSpec, mounts: Mount[], workingDir: string): string[] {
  // Outer folders first, or they would cover the inner ones.
  const ordered = [...mounts].sort((a, b) => a.target.length - b.target.length);
  const folders = spec.tmpfs.filter((path) => path !== '/tmp');
  return wallArguments(spec.user, spec.network, [
    ...folders.flatMap((path) => ['--perms', '1777', '--tmpfs', path]),
    ...foldersAbove(ordered).flatMap((path) => ['--dir', path]),
    ...ordered.flatMap(({ source, target, readonly }) => [readonly ? '--ro-bind' : '--bind', source, target]),
    ...['--perms', '0644', '--ro-bind-data', String(FD.passwd), '/etc/passwd'],
    ...['--info-fd', String(FD.info), '--chdir', workingDir],
  ]);
}

/** Made on purpose: those that bubblewrap makes on the way belong to root alone where the host is root. */
function foldersAbove(mounts: Mount[]): string[] {
  const above = new Set<string>();
  for (const { target } of mounts) {
    for (let end = target.lastIndexOf('/'); end > 0; end = target.lastIndexOf('/', end - 1)) {
      above.add(target.slice(0, end));
    }
  }
  return [...above].sort();
}

/** `/etc/passwd` within the walls. */
export function passwdFor({ uid, gid }: { uid: number; gid: number }): string {
  return `agent:x:${uid}:${gid}::/home/agent:/bin/sh\n`;
}

function becomeUser({ uid, gid }: { uid: number; gid: number }): string[] {
  return [
    'setpriv',
    '--reuid',
    String(uid),
    '--regid',
    String(gid),
    '--clear-groups',
    '--inh-caps=-all',
    '--no-new-privs',
    '--',
  ];
}
