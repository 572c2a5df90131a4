import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EngineApi, engineApi } from './engine-api.ts';
import type { History } from './history.ts';
import { until } from './until.ts';

/** A container engine of the run's own, which may be killed. */
export interface OwnEngine {
  readonly api: EngineApi;
  /** Ends the engine by that signal and starts it again; its containers are gone or not, as the engine likes. */
  restart(signal: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts dockerd and a containerd of its own, with all they keep under `root`, in a network of their own: two engines in one
 * network would take each other's firewall rules away. Its containers have no way out. Needs root.
 */
export async function startEngine(root: string, history: History): Promise<OwnEngine> {
  const log = openSync(join(root, 'engine.log'), 'a');
  const socket = join(root, 'docker.sock');
  const address = join(root, 'containerd.sock');
  writeFileSync(join(root, 'containerd.toml'), containerdConfig(root, address));
  const run = (program: string, ...args: string[]) =>
    spawn(program, args, { detached: true, stdio: ['ignore', log, log], env: process.env });
  const containerd = run('unshare', '--net', 'containerd', '--config', join(root, 'containerd.toml'));
  await until('containerd', 30_000, () => existsSync(address));
  execFileSync('nsenter', ['--target', `${containerd.pid}`, '--net', 'ip', 'link', 'set', 'lo', 'up']);
  const api = engineApi(socket);
  const inItsNetwork = ['--target', `${containerd.pid}`, '--net'];
  let firewall: string[] = [];
  let dockerd = await startDockerd().catch(() => {
    // A kernel without netfilter still runs containers.
    firewall = ['--iptables=false', '--ip6tables=false', '--ip-masq=false'];
    return startDockerd();
  });

  return {
    api,
    async restart(signal) {
      history.record({ what: 'engine', action: 'down' });
      await end(dockerd, signal);
      dockerd = await startDockerd();
      history.record({ what: 'engine', action: 'up' });
    },
    async stop() {
      await end(dockerd, 'SIGTERM');
      await end(containerd, 'SIGTERM');
      for (const pid of left(address)) process.kill(pid, 'SIGKILL');
      for (const path of mountedUnder(root)) execFileSync('umount', ['-l', path]);
    },
  };

  async function startDockerd(): Promise<ChildProcess> {
    const started = run(
      ...(['nsenter', ...inItsNetwork, 'dockerd', ...firewall] as [string, ...string[]]),
      ...['--host', `unix://${socket}`, '--containerd', address, '--pidfile', join(root, 'docker.pid')],
      ...['--data-root', join(root, 'docker'), '--exec-root', join(root, 'exec')],
    );
    await until('dockerd', 60_000, async () => {
      if (started.exitCode !== null) throw new Error(`dockerd has ended: see ${join(root, 'engine.log')}`);
      return await api.ask('GET', '/_ping').then(
        () => true,
        () => false,
      );
    });
    return started;
  }
}

function containerdConfig(root: string, address: string): string {
  return `version = 2
root = "${root}/containerd"
state = "${root}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${address}"
`;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  child.kill(signal);
  await until('an engine to end', 30_000, isOver).catch(() => child.kill('SIGKILL'));
  await until('an engine to be killed', 10_000, isOver);
}

/** What outlives both daemons, such as the shim of a container that did not stop, names our socket in its command line. */
function left(address: string): number[] {
  return globSync('/proc/[0-9]*/cmdline').flatMap((file) => {
    const pid = Number(file.split('/')[2]);
    return pid !== process.pid && read(file).includes(address) ? [pid] : [];
  });
}

function mountedUnder(root: string): string[] {
  const paths = read('/proc/mounts')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? []);
  return paths.filter((path) => path.startsWith(`${root}/`)).reverse();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
