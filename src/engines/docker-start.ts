import type Docker from 'dockerode';
import { BerthError } from '../errors.ts';
import { engineStatus, isGone, isUnreachable } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { toCreateOptions } from './docker-container-options.ts';
import { fromEngineLabels } from './docker-labels.ts';
import { openNetwork, removeNetwork } from './docker-networks.ts';
import { removeContainer } from './docker-stop.ts';
import type { ContainerNetwork, ContainerSpec, StartChecks } from './engine.ts';
import { type HandedFolders, removeEmpty } from './handed-folders.ts';

/** What is learnt about an engine while it is used. */
export interface EngineTraits {
  /** False once the engine has refused limits of the container's log. */
  limitsLog: boolean;
  /** Called when it does. */
  onUnlimitedLog(): void;
  /** Where containers are handed what must not stand in their configuration. */
  handed: HandedFolders;
}

interface CreateRequest extends Docker.ContainerCreateOptions {
  _query: { name: string };
  _body: Docker.ContainerCreateOptions;
}

/** Creates and starts in two calls; only a network, or a name that is taken, costs more. What cannot be started is not left behind. */
export async function startContainer(
  connection: DockerConnection,
  traits: EngineTraits,
  spec: ContainerSpec,
  checks?: StartChecks,
): Promise<void> {
  const network = await openNetwork(connection, spec);
  if (network) await checks?.networked?.(network);
  const container = await createOverLeftover(connection, traits, spec, network);
  try {
    // Now the name is this container's: whatever lay in its folder was another's.
    await traits.handed.fill(spec);
    await checks?.created();
    await connection.call(`starting container ${spec.name}`, (signal) =>
      container.start({ abortSignal: signal }),
    );
    if (checks) await checks.started(await rootOf(connection, spec.name));
  } catch (error) {
    // An engine that is gone cannot remove it either; the next start, of a later epoch, does.
    if (!isUnreachable(error)) await removeAll(connection, container.id, spec).catch(() => undefined);
    if (!isUnreachable(error)) await traits.handed.remove(spec.name);
    throw error;
  }
}

async function removeAll(connection: DockerConnection, id: string, spec: ContainerSpec): Promise<void> {
  await removeContainer(connection, id);
  if (spec.network !== 'none') await removeNetwork(connection, spec.name);
}

/** Where a running container's own files are, if its first process is one of this machine's. */
async function rootOf(connection: DockerConnection, name: string): Promise<string | undefined> {
  const pid = (await inspectOrNothing(connection, name))?.State.Pid;
  return pid ? `/proc/${pid}/root` : undefined;
}

async function createOverLeftover(
  connection: DockerConnection,
  traits: EngineTraits,
  spec: ContainerSpec,
  network: ContainerNetwork | undefined,
): Promise<Docker.Container> {
  try {
    return await create(connection, traits, spec, network);
  } catch (error) {
    if (!isNameTaken(error)) throw error;
    await removeLeftover(connection, spec);
    await traits.handed.remove(spec.name);
    return await create(connection, traits, spec, network);
  }
}

async function create(
  connection: DockerConnection,
  traits: EngineTraits,
  spec: ContainerSpec,
  network: ContainerNetwork | undefined,
): Promise<Docker.Container> {
  const handed = await traits.handed.make(spec);
  const whole = { ...spec, mounts: [...spec.mounts, ...handed] };
  const createOnce = () =>
    connection.call(`creating container ${spec.name}`, (abortSignal) => {
      // Query and body apart: dockerode would otherwise write all of it, environment included, into the address as well.
      const request: CreateRequest = {
        _query: { name: spec.name },
        _body: toCreateOptions(whole, traits.limitsLog, network),
        abortSignal,
      };
      return connection.docker.createContainer(request);
    });
  try {
    return await createOnce();
  } catch (error) {
    if (!traits.limitsLog || !isAboutTheLog(error)) {
      await removeEmpty(handed);
      throw error;
    }
    traits.limitsLog = false;
    traits.onUnlimitedLog();
    return await createOnce();
  }
}

/** @throws E_ENGINE_REFUSED when what bears the name is not ours, or lives with this or a later epoch. */
async function removeLeftover(connection: DockerConnection, spec: ContainerSpec): Promise<void> {
  const found = await inspectOrNothing(connection, spec.name);
  if (!found) return;
  const labels = fromEngineLabels(found.Config.Labels);
  if (labels?.install !== spec.labels.install) {
    throw new BerthError(
      'E_ENGINE_REFUSED',
      `the name ${spec.name} belongs to a container that is not of this install`,
    );
  }
  // `created` counts as living: another start of that epoch may be between its two calls.
  const ended = found.State.Status === 'exited' || found.State.Status === 'dead';
  if (labels.epoch >= spec.labels.epoch && !ended) {
    throw new BerthError(
      'E_ENGINE_REFUSED',
      `container ${spec.name} lives with epoch ${labels.epoch}, epoch ${spec.labels.epoch} may not start`,
    );
  }
  await removeContainer(connection, found.Id);
}

async function inspectOrNothing(
  connection: DockerConnection,
  name: string,
): Promise<Docker.ContainerInspectInfo | undefined> {
  try {
    return await connection.call(`inspecting container ${name}`, (signal) =>
      connection.docker.getContainer(name).inspect({ abortSignal: signal }),
    );
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isNameTaken(error: unknown): boolean {
  return (
    engineStatus(error) === 409 ||
    (error instanceof BerthError && /name .*(already )?in use/i.test(error.message))
  );
}

function isAboutTheLog(error: unknown): boolean {
  return (
    error instanceof BerthError &&
    error.code === 'E_ENGINE_REFUSED' &&
    /log[ -]?(opt|driver|config|level)/i.test(error.message)
  );
}
