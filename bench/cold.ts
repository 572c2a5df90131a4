import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { engineAddress, findEngine } from '../src/engines/docker-address.ts';
import { toCreateOptions } from '../src/engines/docker-container-options.ts';
import type { ContainerSpec } from '../src/engines/engine.ts';
import { type BenchHost, openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';

/** A group that sleeps as soon as nobody talks. */
export const GROUP = 'name: Echo\nagent: { provider: echo }\nidle: { freeze: off, stop: 1s }\n';

/** Cold round trip: the same without a container, alternating with a bare `node -e` in a container of the same making. */
export async function cold({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const host = await openBenchHost({ engine, image, groups: { echo: GROUP } });
  const floor = await openBareNode(image);
  try {
    const [floors, trips]: [number[], number[]] = [[], []];
    await host.say('cold', 'first');
    const n = Math.max(3, Math.round(30 * scale));
    for (let i = 0; i < n; i++) {
      await asleep(host);
      floors.push(await floor.firstByte());
      trips.push((await host.say('cold', 'hello')).ms);
    }
    const [mine, theirs] = [spread(trips), spread(floors)];
    return {
      name: 'cold round trip',
      against:
        'create + start + first output byte of node -e "console.log(1)"; same engine, image, mounts, limits, network',
      ...mine,
      floor: theirs,
      targets: [atMost('p50 / floor', mine.p50 / theirs.p50, 1.35)],
    };
  } finally {
    await floor.close();
    await host.close();
  }
}

/** Resolves when all its sessions are asleep. */
export async function asleep(host: BenchHost): Promise<void> {
  while (host.daemon.host.sessions().some(({ state }) => state !== 'asleep')) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A container of the session's making that prints one line. */
async function openBareNode(
  image: string,
): Promise<{ firstByte(): Promise<number>; close(): Promise<void> }> {
  const docker = new Docker(engineAddress(findEngine(process.env.DOCKER_HOST)));
  const folder = await mkdtemp(join(tmpdir(), 'berth-bare-'));
  const targets = ['/session/in', '/session/out', '/home/agent', '/group', '/instructions', '/global'];
  const mounts = targets.map((target, index) => ({
    source: join(folder, String(index)),
    target,
    readonly: false,
  }));
  await Promise.all(mounts.map(({ source }) => mkdir(source)));
  const spec: ContainerSpec = {
    name: 'berth-bench-bare',
    image,
    command: ['node', '-e', 'console.log(1)'],
    labels: { install: 'bench-floor', group: 'floor', session: 'bare', epoch: 1, spec: 'floor' },
    environment: {},
    user: { uid: 100_000, gid: 100_000 },
    mounts,
    limits: { memoryBytes: 2 ** 31, cpus: 1, pids: 512, openFiles: 4096 },
    network: 'none',
    tmpfs: ['/tmp', '/run'],
  };
  await docker
    .getContainer(spec.name)
    .remove({ force: true })
    .catch(() => undefined);

  return {
    async firstByte() {
      const began = performance.now();
      const container = await docker.createContainer({ ...toCreateOptions(spec, true), AttachStdout: true });
      const output = await container.attach({ stream: true, stdout: true });
      const [first] = await Promise.all([
        once(output, 'data').then(() => performance.now()),
        container.start(),
      ]);
      await container.wait();
      await container.remove({ force: true });
      return first - began;
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
