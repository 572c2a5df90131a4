import type { Logger } from '../log.ts';
import { isGone } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { followExits } from './docker-exits.ts';
import { listInstall } from './docker-list.ts';
import { followContainer, tailContainer } from './docker-logs.ts';
import { findNetwork, removeNetwork, sweepNetworks } from './docker-networks.ts';
import { createPauses } from './docker-pause.ts';
import { type EngineTraits, startContainer } from './docker-start.ts';
import { removeContainer, stopContainer } from './docker-stop.ts';
import type { Engine } from './engine.ts';
import { createHandedFolders } from './handed-folders.ts';

/** Somebody waits for this answer before anything else happens. */
const CHECK_LIMIT_MS = 5_000;

/** The engine that speaks the Docker Engine API: Docker itself, or podman's compatible socket. */
export function createDockerEngine({
  connection,
  log,
}: {
  connection: DockerConnection;
  log: Logger;
}): Engine {
  const { docker, call } = connection;
  const handed = createHandedFolders(log);
  const pauses = createPauses({ connection, log });
  const traits: EngineTraits = {
    handed,
    limitsLog: true,
    onUnlimitedLog: () =>
      log.warn(
        'the engine takes no limits for the logs of containers: a container can fill the disk by them',
      ),
  };
  return {
    kind: 'docker',
    contains: true,
    canPause: true,
    check: async () =>
      describeVersion(await call('asking for the version', () => docker.version(), CHECK_LIMIT_MS)),
    runtimes: async () =>
      Object.keys(
        (await call('asking for the runtimes', () => docker.info(), CHECK_LIMIT_MS)).Runtimes ?? {},
      ),
    hasImage: async (image) => (await imageId(connection, image)) !== undefined,
    imageId: (image) => imageId(connection, image),
    start: (spec, checks) => startContainer(connection, traits, spec, checks),
    async stop(name, graceMs) {
      await pauses.settle(name);
      await stopContainer(connection, name, graceMs);
      await dropWhatItHad(name);
    },
    async remove(name) {
      await removeContainer(connection, name);
      await dropWhatItHad(name);
    },
    networkOf: (name) => findNetwork(connection, name),
    pause: pauses.pause,
    unpause: pauses.unpause,
    list: async (install) =>
      (await listInstall(connection, install)).map(({ id, name, labels, status, imageId, contract }) => ({
        name,
        labels,
        imageId,
        contract,
        running: status === 'running' || status === 'paused' || status === 'restarting',
        paused: status === 'paused' && pauses.isPaused(name, id),
      })),
    tail: (name, lines) => tailContainer(connection, name, lines),
    follow: (name, lines, onLine, onEnd) => followContainer(connection, name, lines, onLine, onEnd),
    onExit: (install, listener, onPaused) =>
      followExits({ connection, log, isPaused: pauses.isPaused }, install, listener, onPaused),
    async sweep(install, prefix) {
      const living = (await listInstall(connection, install)).map(({ name }) => name);
      await handed.sweep(prefix, living);
      await sweepNetworks(connection, install);
    },
    async close() {
      pauses.close();
      connection.close();
    },
  };

  /** The container is gone, which is what was asked for: what could not be removed here, the next sweep finds. */
  async function dropWhatItHad(name: string): Promise<void> {
    pauses.forget(name);
    await handed.remove(name);
    await removeNetwork(connection, name).catch((error: unknown) =>
      log.warn({ err: error, container: name }, 'the network of a container could not be removed'),
    );
  }
}

function describeVersion(version: { Version: string; Components?: { Name: string }[] }): string {
  const name = version.Components?.some((component) => component.Name.startsWith('Podman'))
    ? 'podman'
    : 'Docker';
  return `${name} ${version.Version}`;
}

async function imageId({ docker, call }: DockerConnection, image: string): Promise<string | undefined> {
  try {
    return (await call(`looking for image ${image}`, () => docker.getImage(image).inspect())).Id;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
