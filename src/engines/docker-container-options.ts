import type Docker from 'dockerode';
import { WAY_OUT_HOST } from '../../contract/way-out.ts';
import { toEngineLabels } from './docker-labels.ts';
import type { ContainerNetwork, ContainerSpec } from './engine.ts';

/**
 * The body of the request that creates a spec's container: the one place that hardens it, from nothing but the spec. What
 * the engine does by default is said all the same where a daemon's own configuration could say otherwise. Left alone,
 * because a value here could only weaken them: the seccomp profile, and the paths of /proc and /sys that are hidden or read-only.
 *
 * @param network the container's own, which is there already.
 * @param limitLog false for an engine that does not take limits of its log (podman with some log drivers).
 */
export function toCreateOptions(
  spec: ContainerSpec,
  limitLog: boolean,
  network?: ContainerNetwork,
): Docker.ContainerCreateOptions {
  return {
    Image: spec.image,
    ...(spec.command ? { Cmd: spec.command } : {}),
    Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
    User: `${spec.user.uid}:${spec.user.gid}`,
    Labels: toEngineLabels(spec.labels),
    // A network of its own with nothing but the loopback, made by the runtime: the daemon's way to one starts the daemon's
    // program twice, and takes longer than all the rest of a start.
    ...(spec.network === 'none' ? { NetworkDisabled: true } : {}),
    HostConfig: { ...toHostConfig(spec, limitLog), ...toNetwork(spec, network) },
  };
}

function toHostConfig(spec: ContainerSpec, limitLog: boolean): Docker.HostConfig {
  return {
    ...RIGHTS,
    ...NAMESPACES,
    ...toLimits(spec),
    ...(spec.runtime === undefined ? {} : { Runtime: spec.runtime }),
    RestartPolicy: { Name: 'no' },
    Init: false, // the image's entrypoint is an init already
    // Programs may run from there: what an agent builds lies in /tmp, and its home is no more trustworthy.
    Tmpfs: Object.fromEntries(spec.tmpfs.map((path) => [path, 'rw,exec,nosuid,nodev,mode=1777'])),
    // Mounts and not Binds: a missing source is an error then, not a new folder that belongs to root.
    Mounts: spec.mounts.map(({ source, target, readonly }) => ({
      Type: 'bind',
      Source: source,
      Target: target,
      ReadOnly: readonly,
      // What the host mounts later within a source does not appear in the container, nor the other way round.
      BindOptions: { Propagation: 'rprivate' },
    })),
    ...(limitLog ? { LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } } } : {}),
  };
}

/** None, or one of its own that bears its name: see docker-networks.ts. */
function toNetwork({ name, network: kind }: ContainerSpec, network?: ContainerNetwork): Docker.HostConfig {
  if (kind === 'none') return { NetworkMode: 'none' };
  return {
    NetworkMode: name,
    ...(network ? { ExtraHosts: [`${WAY_OUT_HOST}:${network.gateway}`] } : {}),
    // The engine's own resolver would ask on for whoever has no network: so it is told of a server that is not there.
    ...(kind === 'way-out' ? { Dns: ['127.0.0.1'] } : {}),
  };
}

/** Nothing that root could do, and no way to become root. */
const RIGHTS = {
  Privileged: false,
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  ReadonlyRootfs: true,
  Devices: [],
} satisfies Docker.HostConfig;

/** Each its own, and none of the host's: a daemon's configuration may have other defaults for these two. */
const NAMESPACES = { IpcMode: 'private', CgroupnsMode: 'private' } satisfies Docker.HostConfig & {
  CgroupnsMode: string;
};

function toLimits({ limits }: ContainerSpec): Docker.HostConfig {
  const { memoryBytes, cpus, pids, openFiles } = limits;
  return {
    Memory: memoryBytes,
    // The same again means: no swap, so that a container past its limit ends instead of making the machine crawl.
    MemorySwap: memoryBytes,
    NanoCpus: Math.round(cpus * 1e9),
    PidsLimit: pids,
    Ulimits: [
      { Name: 'nofile', Soft: openFiles, Hard: openFiles },
      { Name: 'core', Soft: 0, Hard: 0 }, // a memory dump is written to no disk
    ],
  };
}
