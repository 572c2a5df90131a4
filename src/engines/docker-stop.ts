import { engineStatus, isGone, isUnreachable } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';

/** Beyond the grace time, what an engine may take to kill. */
const KILL_LIMIT_MS = 10_000;

/** SIGTERM, `graceMs` (rounded up to seconds) to end, SIGKILL, removal. Resolves when the container is gone. */
export async function stopContainer(
  connection: DockerConnection,
  name: string,
  graceMs: number,
): Promise<void> {
  const container = connection.docker.getContainer(name);
  try {
    await connection.call(
      `stopping container ${name}`,
      (signal) => container.stop({ t: Math.ceil(graceMs / 1000), abortSignal: signal }),
      graceMs + KILL_LIMIT_MS,
    );
  } catch (error) {
    if (isGone(error)) return;
    // Whatever else the engine says no to (ended already, will not die): removal by force is what is left.
    if (isUnreachable(error)) throw error;
  }
  await removeContainer(connection, name);
}

/** Kills and removes. Resolves when the container is gone, whoever removed it. */
export async function removeContainer(connection: DockerConnection, name: string): Promise<void> {
  const container = connection.docker.getContainer(name);
  try {
    await connection.call(`removing container ${name}`, (signal) =>
      container.remove({ force: true, v: true, abortSignal: signal }),
    );
  } catch (error) {
    if (isGone(error)) return;
    if (engineStatus(error) !== 409) throw error;
    await waitUntilRemoved(connection, name); // somebody else's removal is under way
  }
}

async function waitUntilRemoved(connection: DockerConnection, name: string): Promise<void> {
  try {
    await connection.call(`waiting for the removal of container ${name}`, (signal) =>
      connection.docker.getContainer(name).wait({ condition: 'removed', abortSignal: signal }),
    );
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
