import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDockerEngine } from '../src/engines/docker.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import type { ContainerExit } from '../src/engines/engine.ts';
import { type EngineRoom, openDockerRoom, openRoom, silent } from './fixtures/engine-room.ts';
import { openSocketProxy, type SocketProxy } from './fixtures/socket-proxy.ts';

const UNTIL = { timeout: 20_000, interval: 20 };
const ENGINE_SOCKET = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');

let folder: string;
let proxy: SocketProxy;
/** Talks through the proxy. */
let room: EngineRoom;
/** Talks to the engine itself. */
let direct: EngineRoom;
let exits: ContainerExit[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-away-'));
  const socket = join(folder, 'engine.sock');
  proxy = await openSocketProxy(socket, ENGINE_SOCKET);
  room = openRoom(createDockerEngine({ connection: connectDocker(`unix://${socket}`), log: silent }));
  direct = openDockerRoom();
  exits = [];
});

afterEach(async () => {
  for (const { name } of await direct.engine.list(room.install)) await direct.engine.remove(name);
  await room.close();
  await direct.close();
  await proxy.cut();
  rmSync(folder, { recursive: true, force: true });
});

test('an engine that is away is an error with its address; back again it serves', async () => {
  await proxy.cut();
  const spec = room.spec('away', ['sleep', '60']);
  const unreachable = { code: 'E_ENGINE_UNREACHABLE', message: expect.stringContaining('engine.sock') };
  await expect(room.engine.check()).rejects.toMatchObject(unreachable);
  await expect(room.engine.start(spec)).rejects.toMatchObject(unreachable);
  await expect(room.engine.stop(spec.name, 100)).rejects.toMatchObject(unreachable);
  await proxy.restore();
  await room.engine.start(spec);
  expect(await room.engine.list(room.install)).toHaveLength(1);
});

test('exits that happen while the engine is away are told once it is back, each once', async () => {
  const release = room.engine.onExit(room.install, (exit) => exits.push(exit));
  const ending = room.spec('ending', ['sleep', '60']);
  const vanishing = room.spec('vanishing', ['sleep', '60']);
  const first = room.spec('first', ['true']);
  await room.engine.start(ending);
  await room.engine.start(vanishing);
  await room.engine.start(first);
  // The first exit shows that events come; then the way to the engine breaks.
  await vi.waitUntil(() => exits.length === 1, UNTIL);
  await proxy.cut();
  await direct.engine.stop(vanishing.name, 0);
  await endWithoutRemoval(ending.name);
  expect(exits.map(({ name }) => name)).toEqual([first.name]);

  await proxy.restore();
  await vi.waitUntil(() => exits.length >= 3, UNTIL);

  const byName = (name: string) => exits.filter((exit) => exit.name === name);
  expect(byName(ending.name)).toEqual([
    { name: ending.name, epoch: 1, code: 137, oomKilled: false, engineAway: true },
  ]);
  expect(byName(vanishing.name)).toEqual([
    { name: vanishing.name, epoch: 1, code: null, oomKilled: false, engineAway: true },
  ]);
  const later = room.spec('later', ['true']);
  await room.engine.start(later);
  await vi.waitUntil(() => byName(later.name).length > 0, UNTIL);
  expect(exits).toHaveLength(4);
  await release();
});

async function endWithoutRemoval(name: string): Promise<void> {
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  const container = docker.getContainer(name);
  const ended = container.wait();
  await container.kill();
  await ended;
  close();
}
