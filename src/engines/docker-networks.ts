import { BerthError } from '../errors.ts';
import { engineStatus, isGone } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { INSTALL_LABEL, toEngineLabels } from './docker-labels.ts';
import type { ContainerSpec } from './engine.ts';

/*
 * A container with a network has one of its own, which bears the container's name: two that share one would find each other's
 * addresses, whatever a filter on top of it says (docs/decisions/networks-of-their-own.md).
 */

/** Where their subnets are taken from: addresses for benchmarks (RFC 2544), which no local network should use. */
const RANGE = '198.18';
/** Of eight addresses each: the engine's own pools hold some thirty networks, these 8,192. */
const PREFIX = 29;
const SIZE = 2 ** (32 - PREFIX);
const MOST_TRIES = 20;

/** Makes the network of a container that is to be created; one that an earlier container of that name left is used again. */
export async function openNetwork(connection: DockerConnection, spec: ContainerSpec): Promise<void> {
  if (spec.network === 'none') return;
  for (let tries = 1; ; tries++) {
    try {
      return await createNetwork(connection, spec, randomSubnet());
    } catch (error) {
      if (engineStatus(error) === 409) return await useAgain(connection, spec);
      if (tries === MOST_TRIES || !isTaken(error)) throw error;
    }
  }
}

/** Removes a container's network, if it has one; the container has to be gone. */
export async function removeNetwork(connection: DockerConnection, name: string): Promise<void> {
  try {
    await connection.call(`removing network ${name}`, (abortSignal) =>
      connection.docker.getNetwork(name).remove({ abortSignal }),
    );
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Removes the install's networks that no container has. None of its containers may be just being made. */
export async function pruneNetworks(connection: DockerConnection, install: string): Promise<void> {
  await connection.call('removing networks that nobody uses', () =>
    connection.docker.pruneNetworks({ filters: JSON.stringify({ label: [`${INSTALL_LABEL}=${install}`] }) }),
  );
}

async function createNetwork(
  { docker, call }: DockerConnection,
  { name, labels }: ContainerSpec,
  subnet: string,
): Promise<void> {
  await call(`making network ${name}`, (abortSignal) =>
    docker.createNetwork({
      Name: name,
      CheckDuplicate: true, // engines before 25 would otherwise make a second one of that name
      Driver: 'bridge',
      EnableIPv6: false,
      IPAM: { Config: [{ Subnet: subnet }] },
      Labels: toEngineLabels(labels),
      abortSignal,
    }),
  );
}

/** @throws E_ENGINE_REFUSED when the network of that name is somebody else's. */
async function useAgain({ docker, call }: DockerConnection, { name, labels }: ContainerSpec): Promise<void> {
  const found = await call(`inspecting network ${name}`, () => docker.getNetwork(name).inspect());
  if (found.Labels?.[INSTALL_LABEL] === labels.install) return;
  throw new BerthError(
    'E_ENGINE_REFUSED',
    `the name ${name} belongs to a network that is not of this install`,
  );
}

function randomSubnet(): string {
  const at = Math.floor(Math.random() * (2 ** 16 / SIZE)) * SIZE;
  return `${RANGE}.${at >> 8}.${at & 255}/${PREFIX}`;
}

function isTaken(error: unknown): boolean {
  return error instanceof BerthError && /overlap|already (in use|used)|subnet .*used/i.test(error.message);
}
