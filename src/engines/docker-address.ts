import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';

/** Where an engine listens, as options of an HTTP request. */
export interface EngineAddress {
  socketPath: string | undefined;
  host: string | undefined;
  port?: number;
  protocol?: 'http';
}

/**
 * Finds the engine: `dockerHost` (`unix://…` or `tcp://…`), else the first socket that exists of Docker's, Docker
 * Desktop's and podman's; Docker's own when none does, so that the error names the usual place.
 */
export function findEngine(dockerHost: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  return dockerHost || `unix://${findSocket(env)}`;
}

/**
 * How to reach it. `host` is always said, also as undefined: dockerode would otherwise take it from DOCKER_HOST.
 * @throws E_ENGINE_UNREACHABLE when `where` is of another form.
 */
export function engineAddress(where: string): EngineAddress {
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

/** Every path at which an engine may listen on this machine: the usual ones, and the one that `dockerHost` names. */
export function engineSockets(
  dockerHost: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): string[] {
  return [
    ...(dockerHost?.startsWith('unix://') ? [dockerHost.slice('unix://'.length)] : []),
    ...usualSockets(env),
  ];
}

function findSocket(env: NodeJS.ProcessEnv): string {
  return usualSockets(env).find(isSocket) ?? '/var/run/docker.sock';
}

function usualSockets({ XDG_RUNTIME_DIR: runtimeDir }: NodeJS.ProcessEnv): string[] {
  return [
    '/var/run/docker.sock',
    join(homedir(), '.docker/run/docker.sock'),
    ...(runtimeDir ? [join(runtimeDir, 'podman/podman.sock')] : []),
    '/run/podman/podman.sock',
  ];
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
