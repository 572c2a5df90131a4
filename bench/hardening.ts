import type Docker from 'dockerode';
import { createDockerEngine } from '../src/engines/docker.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import type { Engine } from '../src/engines/engine.ts';
import { createLog } from '../src/log.ts';
import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { asleep, GROUP } from './cold.ts';
import { atMost, type Figure, round, type Spread, spread } from './figures.ts';

/**
 * Cold round trip, alternating with the same whose containers are as the engine makes them by itself, and with the same without the
 * engine's own filter of system calls either: what the safe way costs.
 */
export async function hardening({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const engines = [engine, soften([]), soften(['seccomp=unconfined'])];
  const hosts = await Promise.all(
    engines.map((each) => openBenchHost({ engine: each, image, groups: { echo: GROUP } })),
  );
  try {
    const samples: number[][] = hosts.map(() => []);
    for (const host of hosts) await host.say('cold', 'first');
    // A wake varies by some 30 ms: fewer could not tell a difference of 10.
    const n = Math.max(3, Math.round(100 * scale));
    for (let i = 0; i < n; i++) {
      // Each goes first as often as the others.
      for (let turn = 0; turn < hosts.length; turn++) {
        const which = (i + turn) % hosts.length;
        await Promise.all(hosts.map(asleep));
        samples[which]?.push((await (hosts[which] as BenchHost).say('cold', 'hello')).ms);
      }
    }
    const [own, plain, bare] = samples.map(spread) as [Spread, Spread, Spread];
    return {
      name: 'cold round trip, hardened',
      against:
        'the same as the engine makes it: its capabilities and seccomp profile, a writable root, no limits',
      ...own,
      floor: plain,
      targets: [atMost('p50 / floor', own.p50 / plain.p50, 1.05)],
      details: {
        "without the engine's seccomp profile either, p50": bare.p50,
        'p50 / that': round(own.p50 / bare.p50),
      },
    };
  } finally {
    for (const host of hosts) await host.close();
    for (const soft of engines.slice(1)) await soft.close();
  }
}

interface CreateRequest extends Docker.ContainerCreateOptions {
  _body: Docker.ContainerCreateOptions;
}

/** Leaves user, mounts, network and log as they are: without them it would be another container. */
function soften(SecurityOpt: string[]): Engine {
  const connection = connectDocker(process.env.DOCKER_HOST);
  const create = connection.docker.createContainer.bind(connection.docker);
  const softened = (request: CreateRequest) => {
    const { Mounts, NetworkMode, LogConfig } = request._body.HostConfig ?? {};
    const HostConfig: Docker.HostConfig = {
      ...(Mounts ? { Mounts } : {}),
      ...(NetworkMode ? { NetworkMode } : {}),
      ...(LogConfig ? { LogConfig } : {}),
      SecurityOpt,
    };
    return create({ ...request, _body: { ...request._body, HostConfig } } as CreateRequest);
  };
  connection.docker.createContainer = softened as typeof create;
  return createDockerEngine({ connection, log: createLog('warn', 'stderr') });
}
