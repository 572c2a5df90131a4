import { BerthError } from '../errors.ts';
import { engineStatus, isGone } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { INSTALL_LABEL, toEngineLabels } from './docker-labels.ts';
import type { ContainerNetwork, ContainerSpec } from './engine.ts';

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
export async function openNetwork(
  connection: DockerConnection,
  spec: ContainerSpec,
): Promise<ContainerNetwork | undefined> {
  if (spec.network === 'none') return undefined;
  for (let tries = 1; ; tries++) {
    try {
      const network = randomNetwork();
      await createNetwork(connection, spec, network);
      return network;
    } catch (error) {
      const isThere = engineStatus(error) === 409;
      const left = isThere ? await takeLeftover(connection, spec) : undefined;
      if (left) return left;
      if (tries === MOST_TRIES || !(isThere || isTaken(error))) throw error;
    }
  }
}

/** The network of a container of that name. */
export async function findNetwork(
  connection: DockerConnection,
  name: string,
): Promise<ContainerNetwork | undefined> {
  try {
    return (await inspectNetwork(connection, name)).network;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
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
export async function sweepNetworks(connection: DockerConnection, install: string): Promise<void> {
  // Not by the engine's own prune, of which it lets one run at a time.
  const filters = { label: [`${INSTALL_LABEL}=${install}`], dangling: ['true'] };
  const left = await connection.call('listing networks that nobody uses', (abortSignal) =>
    connection.docker.listNetworks({ filters, abortSignal }),
  );
  await Promise.all(left.map(({ Id }) => removeNetwork(connection, Id)));
}

async function createNetwork(
  { docker, call }: DockerConnection,
  { name, labels, network: kind }: ContainerSpec,
  { gateway: Gateway, subnet: Subnet }: ContainerNetwork,
): Promise<void> {
  await call(`making network ${name}`, (abortSignal) =>
    docker.createNetwork({
      Name: name,
      CheckDuplicate: true, // engines before 25 would otherwise make a second one of that name
      Driver: 'bridge',
      Internal: kind === 'way-out',
      EnableIPv6: false,
      IPAM: { Config: [{ Subnet, Gateway }] },
      Labels: toEngineLabels(labels),
      abortSignal,
    }),
  );
}

/**
 * The network that an earlier container of that name left; `undefined`: it was of another kind, and is gone now.
 * @throws E_ENGINE_REFUSED when it is somebody else's.
 */
async function takeLeftover(
  connection: DockerConnection,
  { name, labels, network: kind }: ContainerSpec,
): Promise<ContainerNetwork | undefined> {
  const { network, install, internal } = await inspectNetwork(connection, name);
  if (install !== labels.install)
    throw new BerthError(
      'E_ENGINE_REFUSED',
      `the name ${name} belongs to a network that is not of this install`,
    );
  if (network && internal === (kind === 'way-out')) return network;
  await removeNetwork(connection, name);
  return undefined;
}

async function inspectNetwork({ docker, call }: DockerConnection, name: string) {
  const { Labels, Internal, IPAM } = await call(`inspecting network ${name}`, () =>
    docker.getNetwork(name).inspect(),
  );
  const [config] = IPAM?.Config ?? [];
  const { Gateway: gateway, Subnet: subnet } = config ?? {};
  return {
    install: Labels?.[INSTALL_LABEL],
    internal: Internal === true,
    network: gateway && subnet ? { gateway, subnet } : undefined,
  };
}

function randomNetwork(): ContainerNetwork {
  const at = Math.floor(Math.random() * (2 ** 16 / SIZE)) * SIZE;
  const address = (last: number) => `${RANGE}.${at >> 8}.${(at & 255) + last}`;
  return { gateway: address(1), subnet: `${address(0)}/${PREFIX}` };
}

function isTaken(error: unknown): boolean {
  return error instanceof BerthError && /overlap|already (in use|used)|subnet .*used/i.test(error.message);
}
