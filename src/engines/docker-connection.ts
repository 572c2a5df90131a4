import { statSync } from 'node:fs';
import { Agent } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { BerthError } from '../errors.ts';
import { callWithin, DEFAULT_LIMIT_MS } from './docker-call.ts';

/** A way to one container engine. Nothing is sent before the first call. */
export interface DockerConnection {
  docker: Docker;
  /** Where the engine is expected, for people: `unix:///var/run/docker.sock`. */
  where: string;
  /**
   * Makes one call to the engine: the only way to it. `what` names the call in messages ("starting container x").
   * @throws E_ENGINE_UNREACHABLE, also after `limitMs` (30 s); E_IMAGE_MISSING; E_ENGINE_REFUSED with the engine's words.
   */
  call<T>(what: string, work: (signal: AbortSignal) => Promise<T>, limitMs?: number): Promise<T>;
  close(): void;
}

/**
 * Finds the engine's socket: `dockerHost` (`unix://…` or `tcp://…`), else the first that exists of Docker's, Docker
 * Desktop's and podman's; Docker's own when none does, so that the error names the usual place.
 * @throws E_ENGINE_UNREACHABLE when `dockerHost` is of another form.
 */
export function connectDocker(dockerHost?: string, env: NodeJS.ProcessEnv = process.env): DockerConnection {
  const where = dockerHost || `unix://${findSocket(env)}`;
  // A connection per call costs half a millisecond. One that is kept breaks the first call after the engine's restart.
  const agent = new Agent({ keepAlive: false });
  const options: Docker.DockerOptions & { agent: Agent } = { ...toAddress(where), agent };
  return {
    docker: new Docker(options),
    where,
    call: (what, work, limitMs = DEFAULT_LIMIT_MS) => callWithin({ what, where, limitMs }, work),
    close: () => agent.destroy(),
  };
}

/** `host` is always said, also as undefined: dockerode would otherwise take it from DOCKER_HOST. */
function toAddress(where: string): Docker.DockerOptions {
  if (where.startsWith('unix://')) return { socketPath: where.slice('unix://'.length), host: undefined };
  const tcp = /^(?:tcp|http):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(where);
  if (!tcp?.[1]) {
    throw new BerthError(
      'E_ENGINE_UNREACHABLE',
      `DOCKER_HOST is ${where}: only unix:// and tcp:// addresses are known`,
    );
  }
  return { host: tcp[1], port: Number(tcp[2] ?? 2375), protocol: 'http', socketPath: undefined };
}

function findSocket(env: NodeJS.ProcessEnv): string {
  const runtimeDir = env.XDG_RUNTIME_DIR;
  const candidates = [
    '/var/run/docker.sock',
    join(homedir(), '.docker/run/docker.sock'),
    ...(runtimeDir ? [join(runtimeDir, 'podman/podman.sock')] : []),
    '/run/podman/podman.sock',
  ];
  return candidates.find(isSocket) ?? '/var/run/docker.sock';
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
