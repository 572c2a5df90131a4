import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { engineAddress, findEngine } from '../src/engines/docker-address.ts';
import { toCreateOptions } from '../src/engines/docker-container-options.ts';
import type { ContainerSpec } from '../src/engines/engine.ts';

const NAME = 'berth-bench-agent-floor';
const HOME = '/home/agent';

/** Claude's SDK called by a plain program in a container of the same image and limits, which reaches the stub straight. */
export interface AgentFloor {
  /** Creates and starts a container whose home is empty, says one word and waits for the end of the turn. @returns milliseconds. */
  cold(): Promise<number>;
  /** One more word to a container that the first call has started, and that lives until `close`. @returns milliseconds. */
  followUp(): Promise<number>;
  close(): Promise<void>;
}

/** @param environment of the program: where the stub is, and its key. */
export async function openAgentFloor(
  image: string,
  environment: Record<string, string>,
): Promise<AgentFloor> {
  const docker = new Docker(engineAddress(findEngine(process.env.DOCKER_HOST)));
  const folder = await mkdtemp(join(tmpdir(), 'berth-floor-'));
  const spec = await floorSpec(folder, image, environment);
  const program = await readFile(new URL('./agent-floor.mjs', import.meta.url), 'utf8');
  await writeFile(join(folder, '0', 'floor.mjs'), program);
  let running: { say(): Promise<void> } | undefined;
  await remove().catch(() => undefined); // of a run that was broken off

  async function start(): Promise<{ say(): Promise<void> }> {
    const options = toCreateOptions(spec, true);
    const container = await docker.createContainer({
      ...options,
      name: NAME,
      // The engine's own network: that of a container of its own is the host's affair.
      HostConfig: { ...options.HostConfig, NetworkMode: 'bridge' },
      ...{ OpenStdin: true, AttachStdin: true, AttachStdout: true, AttachStderr: true },
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
    await container.start();
    return {
      say: () =>
        new Promise((resolve) => {
          const listen = (chunk: Buffer) => {
            if (!chunk.includes('done')) return;
            stream.off('data', listen);
            resolve();
          };
          stream.on('data', listen);
          stream.write('hello\n');
        }),
    };
  }

  /** As that of a new session is: an agent's first start writes what the later ones find. */
  async function emptyHome(): Promise<void> {
    const home = spec.mounts.find(({ target }) => target === HOME)?.source ?? '';
    await rm(home, { recursive: true, force: true });
    await makeFolder(home);
  }

  async function remove(): Promise<void> {
    await docker.getContainer(NAME).remove({ force: true });
  }

  return {
    async cold() {
      await emptyHome();
      const began = performance.now();
      const { say } = await start();
      await say();
      const ms = performance.now() - began;
      // It is not to take anything from what is measured in turn with it.
      await remove();
      return ms;
    },
    async followUp() {
      running ??= await start();
      const began = performance.now();
      await running.say();
      return performance.now() - began;
    },
    async close() {
      if (running) await remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function floorSpec(
  folder: string,
  image: string,
  environment: Record<string, string>,
): Promise<ContainerSpec> {
  const user = { uid: 100_000, gid: 100_000 };
  const targets = ['/group', HOME, '/session/in', '/session/out', '/instructions', '/global'];
  const mounts = targets.map((target, index) => ({
    source: join(folder, String(index)),
    target,
    readonly: false,
  }));
  for (const { source } of mounts) await makeFolder(source);
  await chmod(folder, 0o755);
  return {
    name: NAME,
    image,
    command: ['node', '/group/floor.mjs'],
    labels: { install: 'bench-floor', group: 'floor', session: 'agent', epoch: 1, spec: 'floor' },
    environment: { HOME, ...environment },
    user,
    mounts,
    limits: { memoryBytes: 2 ** 31, cpus: 1, pids: 512, openFiles: 4096 },
    network: 'internet',
    tmpfs: ['/tmp', '/run'],
  };
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o777);
}
