/** A way out of a container that somebody has found before, as a script to be run inside. */
export interface Attempt {
  name: string;
  /** @param host what an attacker might know of the machine. */
  script(host: { pid: number; dataDir: string }): string;
  /** What the script prints where it has failed, whole; otherwise every line has to be a refusal. */
  prints?: RegExp;
  /** Why bubblewrap alone does not hold it, if so. */
  withoutContainer?: string;
}

const refusal =
  /(Operation not permitted|permission denied|Read-only file system|Function not implemented|must be superuser to use mount|nonexistent|I\/O error|No such (file or directory|process|device or address))\.?$/i;

/** Whether what an attempt printed says that all of it failed. One that says nothing has not been tried. */
export function hasFailed({ prints }: Attempt, output: string): boolean {
  if (prints) return prints.test(output);
  const lines = output.split('\n').filter(Boolean);
  return lines.length > 0 && lines.every((line) => refusal.test(line));
}

const numbers: Record<string, Record<string, number>> = {
  x64: {
    ...{ ptrace: 101, pivot_root: 155, mount: 165, swapon: 167, reboot: 169, sethostname: 170, bpf: 321 },
    ...{ init_module: 175, kexec_load: 246, add_key: 248, keyctl: 250, unshare: 272, perf_event_open: 298 },
    ...{ open_by_handle_at: 304, setns: 308, process_vm_readv: 310, finit_module: 313, fsopen: 430 },
  },
  arm64: {
    ...{ ptrace: 117, pivot_root: 41, mount: 40, swapon: 224, reboot: 142, sethostname: 161, bpf: 280 },
    ...{ init_module: 105, kexec_load: 104, add_key: 217, keyctl: 219, unshare: 97, perf_event_open: 241 },
    ...{ open_by_handle_at: 265, setns: 268, process_vm_readv: 270, finit_module: 273, fsopen: 430 },
  },
};

/** Makes system calls and prints of each what the kernel said. A text is passed as a pointer, unless it is a Perl variable. */
function calls(...all: [name: string, ...args: (number | string)[]][]): string {
  const lines = all.map(([name, ...args]) => {
    const number = numbers[process.arch]?.[name];
    if (number === undefined) throw new Error(`${name} has no number on ${process.arch}`);
    const isText = (arg: number | string) => typeof arg === 'string' && !arg.startsWith('$');
    // A text has to be in a variable: the call gets its address.
    const texts = args.map((arg, i) => (isText(arg) ? `$t${i}="${arg}"; ` : ''));
    const call = `syscall(${[number, ...args.map((arg, i) => (isText(arg) ? `$t${i}` : arg))].join(', ')})`;
    return `${texts.join('')}$!=0; print "${name}: ", ${call} == -1 ? $! : "DONE", "\\n";`;
  });
  return `perl -e '${PREPARED} ${lines.join(' ')}'`;
}

/** For the calls: `$ns` and `$dir` are descriptors, `$handle` is the handle of a file system's root. */
const PREPARED =
  'open(N, "/proc/1/ns/mnt") or open(N, "/proc/self/ns/mnt"); $ns = fileno(N); open(D, "/group"); $dir = fileno(D); $handle = pack("ilLL", 8, 1, 2, 0);';
const NEWUSER = 0x10000000;

const writeTo = (text: string, ...paths: string[]) =>
  paths.map((path) => `(echo ${text} > ${path}) 2>&1 && echo '${path} DONE'`).join('; ');
/** For what may not exist at all. */
const ifThere = (paths: string, what: string) => `for f in ${paths}; do [ -e "$f" ] && ${what}; done 2>&1`;
const NO_SECCOMP = 'there is no filter of system calls';

/** All of them have to fail. `docs/security.md` names each. */
export const attempts: Attempt[] = [
  {
    name: "the engine's socket",
    script: () =>
      `find / -type s 2>/dev/null | grep -E 'docker|podman|containerd|crio|berth\\.sock'
       for s in /var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock; do
         perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print connect(S, sockaddr_un($ARGV[0])) ? "DONE" : $!, "\\n"' $s
       done`,
  },
  {
    name: 'capabilities of any set',
    script: () => 'grep -h ^Cap /proc/self/status /proc/1/status',
    prints: /^(Cap\w+:\t0{16}\n)+$/,
    withoutContainer: 'the first process within the walls keeps the two by which it becomes the user',
  },
  {
    name: 'mounting a file system',
    script: () =>
      `mkdir -p /tmp/m; mount -t tmpfs none /tmp/m 2>&1 | head -1; mount -t proc none /tmp/m 2>&1 | head -1
       ${calls(['mount', 'tmpfs', '/tmp/m', 'tmpfs', 0, 0], ['fsopen', 'tmpfs', 0])}`,
  },
  {
    name: 'making the root writable',
    script: () =>
      `mount -o remount,rw / 2>&1 | head -1; touch /usr/bin/x 2>&1; ${writeTo('x', '/etc/passwd', '/usr/bin/node', '/bin/sh')}`,
  },
  {
    name: 'a user namespace of its own',
    script: () =>
      `unshare --user --map-root-user id 2>&1; unshare --mount true 2>&1; ${calls(['unshare', NEWUSER])}`,
    withoutContainer: NO_SECCOMP,
  },
  {
    name: 'the namespaces of another process',
    script: ({ pid }) =>
      `nsenter --target 1 --mount --net id 2>&1; ls /proc/${pid}/ns 2>&1; ${calls(['setns', '$ns', 0])}`,
  },
  {
    name: 'leaving by chroot or pivot_root',
    script: () => `/usr/sbin/chroot /tmp true 2>&1; ${calls(['pivot_root', '/tmp', '/tmp'])}`,
  },
  {
    name: 'settings of the kernel in /proc/sys',
    script: () =>
      writeTo('1', '/proc/sys/kernel/panic', '/proc/sys/vm/drop_caches', '/proc/sys/kernel/ns_last_pid'),
  },
  {
    name: 'the core pattern and the helpers that the kernel calls',
    script: () =>
      writeTo(
        ...["'|/tmp/x'", '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe'],
        ...['/sys/kernel/uevent_helper', '/sys/power/state'],
      ),
  },
  {
    name: 'the magic key of /proc/sysrq-trigger',
    // "h" would only print a help text.
    script: () => writeTo('h', '/proc/sysrq-trigger'),
  },
  {
    name: 'the release agent of a cgroup',
    script: () =>
      `${ifThere('/sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/notify_on_release', `(echo 1 > $f) && echo "$f DONE"`)}
       mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x 2>&1; mkdir -p /tmp/c; mount -t cgroup -o memory none /tmp/c 2>&1 | head -1`,
  },
  {
    name: 'raising its own limits',
    script: () =>
      `${ifThere('/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max', `(echo 99999999999 > $f) && echo "$f DONE"`)}
       prlimit --pid $$ --nofile=2000000:2000000 2>&1; prlimit --pid $$ --core=unlimited:unlimited 2>&1`,
    withoutContainer: 'there are no limits but those that the host itself has',
  },
  {
    name: 'device nodes',
    script: () =>
      `mknod /tmp/vda b 254 0 2>&1; mknod /home/agent/mem c 1 1 2>&1
       ${ifThere('/dev/mem /dev/kmem /dev/port /dev/kmsg /dev/sda /dev/vda /dev/fuse /dev/kvm /dev/loop-control', 'echo "$f DONE"')}`,
  },
  {
    name: 'programs that are set-user-ID',
    script: () =>
      `grep -h NoNewPrivs /proc/self/status; cp /bin/sh /tmp/sh; chown 0 /tmp/sh 2>/dev/null; chmod 4755 /tmp/sh; /tmp/sh -p -c 'id -u' | grep -x 0
       echo | su -c 'id -u' 2>/dev/null | grep -x 0`,
    prints: /^NoNewPrivs:\t1\n$/,
  },
  {
    name: 'processes outside: seeing, tracing, killing them',
    script: ({ pid }) =>
      `ls -d /proc/[0-9]* | wc -l | awk '$1 > 20 { print "many DONE" }'; perl -e 'print kill(0, ${pid}) ? "DONE" : $!, "\\n"'
       ${calls(['ptrace', 16, pid, 0, 0])}; cat /proc/${pid}/cmdline /proc/${pid}/environ 2>&1`,
  },
  {
    name: 'kernel modules',
    script: () => calls(['init_module', 0, 0, ''], ['finit_module', 0, '', 0]),
  },
  {
    name: 'another kernel, a reboot, swap, the host name',
    // Were it allowed, nothing would happen: no image, the switch of Ctrl-Alt-Del, no file, the kernel's empty name.
    script: () =>
      calls(
        ['kexec_load', 0, 0, 0, 0],
        ['reboot', 0xfee1dead, 672274793, 0, 0],
        ['swapon', '/nowhere', 0],
        ['sethostname', 'x', 1],
      ),
  },
  {
    name: 'raw and packet sockets',
    script: () =>
      `perl -e 'for ([2, 3, 1], [2, 3, 255], [10, 3, 58], [17, 3, 768]) { $!=0; print socket(S, $_->[0], $_->[1], $_->[2]) ? "DONE" : $!, "\\n" }'`,
  },
  {
    name: 'files by handle (shocker)',
    script: () => calls(['open_by_handle_at', '$dir', '$handle', 0]),
  },
  {
    name: 'programs in the kernel: bpf, perf',
    script: () => calls(['bpf', 0, 0, 0], ['perf_event_open', 0, 0, -1, -1, 0]),
    withoutContainer: NO_SECCOMP,
  },
  {
    name: 'keyrings of the kernel',
    script: () => calls(['add_key', 'user', 'k', 'v', 1, -4], ['keyctl', 0, -4, 1]),
    withoutContainer: NO_SECCOMP,
  },
  {
    name: "the kernel's memory, log and keys",
    script: () =>
      `for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug; do head -c 64 $f 2>/dev/null | wc -c; done
       ls -A /sys/firmware /sys/kernel/debug /sys/kernel/security 2>/dev/null | grep -v : | grep -c .; dmesg 2>/dev/null | wc -l; grep -vc '^0* ' /proc/kallsyms 2>/dev/null || true`,
    prints: /^(0\n)+$/,
    withoutContainer: 'parts of /proc are hidden by their permissions alone',
  },
  {
    name: 'descriptors that the runtime left open',
    script: () =>
      `for l in /proc/[0-9]*/fd/*; do readlink $l; done 2>/dev/null | sort -u |
       grep -vE '^(pipe|socket|anon_inode):|^/(dev/(null|urandom|random)|session/|group|home/agent|tmp|opt/berth|proc/)' || echo none`,
    prints: /^none\n$/,
    withoutContainer: 'the runner lies elsewhere',
  },
  {
    name: 'overwriting the runtime by /proc/1/exe',
    script: () => writeTo('x', '/proc/1/exe'),
  },
  {
    name: "the host's terminal",
    script: () => writeTo('x', '/dev/tty', '/dev/console', '/dev/tty1'),
    withoutContainer: 'a console that is not the host’s may be there',
  },
  {
    name: 'what it is told, and the runner',
    script: () =>
      `touch /session/in/x /session/in/inbound.db /instructions/x 2>&1; rm -f /session/in/inbound.db 2>&1
       touch /opt/berth /opt/berth/runner/main.mjs 2>&1`,
  },
  {
    name: 'other sessions, other groups, the data folder',
    script: ({ dataDir }) =>
      `ls ${dataDir} ${dataDir}/sessions /session/../sessions /group/../group.yaml 2>&1; ls -A /session /mnt | grep -vE '^(in|out|/.*:)$'`,
  },
];
