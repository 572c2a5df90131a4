import type { Config } from '../config.ts';
import { connectDocker, type DockerConnection } from '../engines/docker-connection.ts';
import { createDockerImages } from '../engines/docker-images.ts';
import { probeIsolation } from '../engines/process-isolation.ts';
import { asBerthError } from '../errors.ts';
import { canGrow } from '../images/base-fits.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** What of the engine's own account of itself is looked at. */
interface EngineInfo {
  ServerVersion?: string;
  CgroupVersion?: string;
  SecurityOptions?: string[] | null;
}

/** What runs containers: does it answer, has it the base image, can it freeze? */
export async function diagnoseEngine(config: Readonly<Config>): Promise<Finding[]> {
  const walls = await diagnoseWalls(config.engine === 'process');
  if (config.engine === 'process') {
    const remedy = 'Use a container engine (`BERTH_ENGINE=docker`) for agents that you do not trust.';
    return [warn('engine', 'child processes instead of containers (BERTH_ENGINE=process)', remedy), walls];
  }
  let connection: DockerConnection | undefined;
  try {
    connection = connectDocker(config.dockerHost);
    const { docker, where } = connection;
    const info = (await connection.call('asking for its state', () => docker.info())) as EngineInfo;
    const engine = ok('engine', `version ${info.ServerVersion ?? 'unknown'} answers at ${where}`);
    return [engine, await diagnoseBase(connection, config.baseImage), diagnosePause(info), walls];
  } catch (error) {
    const { message, remedy } = asBerthError(error);
    return [fail('engine', message, remedy), walls];
  } finally {
    connection?.close();
  }
}

async function diagnoseBase(connection: DockerConnection, name: string): Promise<Finding> {
  const check = 'base image';
  const remedy = 'Run `npm run build-base`.';
  const image = await createDockerImages(connection).inspect(name);
  if (!image)
    return warn(check, `there is no ${name}: it is built when it is needed, which takes minutes`, remedy);
  if (!canGrow(image)) return warn(check, `${name} is of another version of Berth`, remedy);
  return ok(check, `${name} ${image.id.slice(7, 19)} is there`);
}

/** Pausing takes the freezer of cgroups, which an engine without root has in version 2 alone. */
function diagnosePause({ CgroupVersion, SecurityOptions }: EngineInfo): Finding {
  const check = 'freezing';
  const isRootless = SecurityOptions?.some((option) => option.includes('rootless')) ?? false;
  if (CgroupVersion === '2' || !isRootless)
    return ok(check, `the engine can pause (cgroups ${CgroupVersion ?? '1'})`);
  const says = 'the engine cannot pause containers: it runs without root on cgroups 1';
  return warn(check, says, 'Boot with cgroups 2; until then idle containers are stopped, not frozen.');
}

async function diagnoseWalls(areNeeded: boolean): Promise<Finding> {
  const check = 'bubblewrap';
  const { kind } = await probeIsolation();
  if (kind === 'bubblewrap') return ok(check, 'it works');
  if (!areNeeded) return ok(check, 'it does not work here; only child processes need it');
  return warn(
    check,
    'it is not installed or not allowed: child processes are not walled in',
    'Install bubblewrap.',
  );
}
