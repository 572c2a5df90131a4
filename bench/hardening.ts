import type Docker from 'dockerode';
import { createDockerEngine } from '../src/engines/docker.ts';
import { connectDocker, type DockerConnection } from '../src/engines/docker-connection.ts';
import { createLog } from '../src/log.ts';
import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { asleep, GROUP } from './cold.ts';
import { atMost, type Figure, spread } from './figures.ts';

/** Cold round trip, alternating with the same whose containers are not hardened: what the safe way costs. */
export async function hardening({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const connection = withoutHardening(connectDocker(process.env.DOCKER_HOST));
  const soft = createDockerEngine({ connection, log: createLog('warn', 'stderr') });
  const hard = await openBenchHost({ engine, image, groups: { echo: GROUP } });
  const bare = await openBenchHost({ engine: soft, image, groups: { echo: GROUP } });
  try {
    const [mine, floors]: [number[], number[]] = [[], []];
    for (const host of [hard, bare]) await host.say('cold', 'first');
    // A wake varies by some 30 ms: fewer could not tell a difference of 20.
    const n = Math.max(3, Math.round(100 * scale));
    for (let i = 0; i < n; i++) {
      // Each goes first half of the time.
      for (const host of i % 2 === 0 ? [hard, bare] : [bare, hard]) {
        await Promise.all([asleep(hard), asleep(bare)]);
        (host === hard ? mine : floors).push((await host.say('cold', 'hello')).ms);
      }
    }
    const [own, floor] = [spread(mine), spread(floors)];
    return {
      name: 'cold round trip, hardened',
      against: 'the same without dropped capabilities, seccomp, read-only root, tmpfs and limits',
      ...own,
      floor,
      targets: [atMost('p50 / floor', own.p50 / floor.p50, 1.05)],
    };
  } finally {
    await hard.close();
    await bare.close();
    await soft.close();
  }
}

interface CreateRequest extends Docker.ContainerCreateOptions {
  _body: Docker.ContainerCreateOptions;
}

/** Leaves user, mounts, network and log as they are: without them it would be another container. */
function withoutHardening(connection: DockerConnection): DockerConnection {
  const create = connection.docker.createContainer.bind(connection.docker);
  const soften = (request: CreateRequest) => {
    const { Mounts, NetworkMode, LogConfig } = request._body.HostConfig ?? {};
    const HostConfig: Docker.HostConfig = {
      ...(Mounts ? { Mounts } : {}),
      ...(NetworkMode ? { NetworkMode } : {}),
      ...(LogConfig ? { LogConfig } : {}),
      SecurityOpt: ['seccomp=unconfined'],
    };
    return create({ ...request, _body: { ...request._body, HostConfig } } as CreateRequest);
  };
  connection.docker.createContainer = soften as typeof create;
  return connection;
}
