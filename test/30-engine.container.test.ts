import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import type { ContainerExit, ContainerSpec } from '../src/engines/engine.ts';
import type { Release } from '../src/release-stack.ts';
import { type EngineRoom, FOREVER, openDockerRoom, testUser } from './fixtures/engine-room.ts';

const UNTIL = { timeout: 20_000, interval: 20 };

let room: EngineRoom;
let exits: ContainerExit[];
let stopListening: Release;

beforeAll(() => {
  room = openDockerRoom();
  exits = [];
  stopListening = room.engine.onExit(room.install, (exit) => exits.push(exit));
});

afterEach(async () => {
  for (const { name } of await room.engine.list(room.install)) await room.engine.remove(name);
});

afterAll(async () => {
  await stopListening();
  expect(await room.close()).toEqual([]);
});

const exitOf = (spec: ContainerSpec) =>
  exits.filter(({ name, epoch }) => name === spec.name && epoch === spec.labels.epoch);

/** A container of that command, whose first line has come. */
async function startUp(spec: ContainerSpec): Promise<void> {
  await room.engine.start(spec);
  await vi.waitUntil(async () => (await room.engine.tail(spec.name, 10)).includes('up'), UNTIL);
}

/** Prints a line twenty times a second. */
const TICKING = ['sh', '-c', 'while echo up; do sleep 0.05; done'];

const countLines = async (spec: ContainerSpec) =>
  (await room.engine.tail(spec.name, 10_000)).split('\n').length;

/** What `docker ps` would say. */
const isCalledPaused = async ({ name }: ContainerSpec) =>
  (await connectDocker(process.env.DOCKER_HOST).docker.getContainer(name).inspect()).State.Paused;

/** Runs a command to its end and returns what it printed. */
async function output(name: string, script: string, rest?: Partial<ContainerSpec>): Promise<string> {
  const spec = room.spec(name, ['sh', '-c', script], rest);
  await room.engine.start(spec);
  await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
  return await room.engine.tail(spec.name, 200);
}

describe('life', () => {
  test('starts, is listed with its labels, stops at SIGTERM and is gone', async () => {
    const spec = room.spec('life', FOREVER);
    await startUp(spec);
    const imageId = await room.engine.imageId(spec.image);
    expect(imageId).toMatch(/^sha256:/);
    expect(await room.engine.list(room.install)).toEqual([
      { name: spec.name, labels: spec.labels, running: true, paused: false, imageId, contract: '1' },
    ]);

    await room.engine.stop(spec.name, 10_000);

    expect(await room.engine.list(room.install)).toEqual([]);
    await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
    expect(exitOf(spec)).toEqual([{ name: spec.name, epoch: 1, code: 7, oomKilled: false }]);
  });

  test('kills what does not heed SIGTERM within the grace time', async () => {
    const spec = room.spec('deaf', [
      'node',
      '-e',
      'process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)',
    ]);
    await startUp(spec);
    await room.engine.stop(spec.name, 1_000);
    await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
    expect(exitOf(spec)[0]?.code).toBe(137);
  });

  test('stopping and removing what is not there is no error', async () => {
    await room.engine.stop('berth-no-such-container', 1_000);
    await room.engine.remove('berth-no-such-container');
    expect(await room.engine.tail('berth-no-such-container', 10)).toBe('');
  });

  test('pauses and goes on, each also twice, and a paused one can be stopped', async () => {
    const spec = room.spec('frozen', FOREVER);
    await startUp(spec);
    await room.engine.pause(spec.name);
    await room.engine.pause(spec.name);
    expect(await room.engine.list(room.install)).toMatchObject([{ running: true, paused: true }]);
    await room.engine.unpause(spec.name);
    await room.engine.unpause(spec.name);
    expect(await room.engine.list(room.install)).toMatchObject([{ running: true, paused: false }]);
    await room.engine.pause(spec.name);
    await room.engine.stop(spec.name, 2_000);
    expect(await room.engine.list(room.install)).toEqual([]);
  });

  test('one that was paused goes on at once, and the engine calls it running soon after', async () => {
    const spec = room.spec('goes-on', TICKING);
    await startUp(spec);
    await room.engine.pause(spec.name);
    const ticks = await countLines(spec);
    await room.engine.unpause(spec.name);
    expect(await room.engine.list(room.install)).toMatchObject([{ running: true, paused: false }]);
    await vi.waitUntil(async () => (await countLines(spec)) > ticks, UNTIL);
    await vi.waitUntil(async () => !(await isCalledPaused(spec)), UNTIL);
    const told = await countLines(spec);
    await vi.waitUntil(async () => (await countLines(spec)) > told, UNTIL);
  });

  test('right after it was made to go on it can be paused again, stopped in good order, or removed', async () => {
    const spec = room.spec('right-after', FOREVER);
    await startUp(spec);
    await room.engine.pause(spec.name);
    await room.engine.unpause(spec.name);
    await room.engine.pause(spec.name);
    expect(await isCalledPaused(spec)).toBe(true);
    await room.engine.unpause(spec.name);
    await room.engine.stop(spec.name, 10_000);
    await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
    expect(exitOf(spec)[0]?.code).toBe(7);

    const other = room.spec('removed', FOREVER);
    await startUp(other);
    await room.engine.pause(other.name);
    await room.engine.unpause(other.name);
    await room.engine.remove(other.name);
    expect(await room.engine.list(room.install)).toEqual([]);
  });

  test('a host that ends before the engine is told leaves nothing that the next one cannot pause', async () => {
    const spec = room.spec('untold', TICKING);
    await startUp(spec);
    const earlier = openDockerRoom();
    await earlier.engine.pause(spec.name);
    await earlier.engine.unpause(spec.name);
    expect(await earlier.close()).toEqual([]);
    expect(await isCalledPaused(spec)).toBe(true);

    await room.engine.unpause(spec.name);
    await room.engine.pause(spec.name);

    const ticks = await countLines(spec);
    await new Promise((resolve) => setTimeout(resolve, 200)); // four ticks
    expect(await countLines(spec)).toBe(ticks);
    await room.engine.unpause(spec.name);
    await vi.waitUntil(async () => (await countLines(spec)) > ticks, UNTIL);
  });
});

describe('one container per name', () => {
  test('refuses a second of the same epoch while the first lives, also when both start at once', async () => {
    const spec = room.spec('twin', FOREVER);
    const results = await Promise.allSettled([room.engine.start(spec), room.engine.start(spec)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(room.engine.start(spec)).rejects.toMatchObject({ code: 'E_ENGINE_REFUSED' });
    expect(await room.engine.list(room.install)).toHaveLength(1);
  });

  test('an earlier epoch gives way, living or ended', async () => {
    const spec = room.spec('again', FOREVER);
    await startUp(spec);
    const next = { ...spec, labels: { ...spec.labels, epoch: 2 } };
    await room.engine.start(next);
    expect(await room.engine.list(room.install)).toMatchObject([{ labels: { epoch: 2 }, running: true }]);
    await expect(room.engine.start(spec)).rejects.toMatchObject({ code: 'E_ENGINE_REFUSED' });
  });

  test('never touches a container of another install', async () => {
    const spec = room.spec('mine', FOREVER);
    await startUp(spec);
    const others = { ...spec, labels: { ...spec.labels, install: 'somebody-else', epoch: 9 } };
    await expect(room.engine.start(others)).rejects.toMatchObject({ code: 'E_ENGINE_REFUSED' });
    expect(await room.engine.list(room.install)).toMatchObject([{ running: true }]);
  });
});

describe('what a container may do', () => {
  test('it is the user agent without capabilities, on a read-only root, with its limits', async () => {
    const seen = await output(
      'limits',
      `whoami; id -u; pwd; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status | tr '\\t' ' '
       touch /x 2>&1; touch /tmp/x && echo tmp is writable; ulimit -n; ls /sys/class/net`,
    );
    expect(seen.split('\n')).toEqual([
      'agent',
      String(testUser.uid),
      '/group',
      'CapEff: 0000000000000000',
      'NoNewPrivs: 1',
      "touch: cannot touch '/x': Read-only file system",
      'tmp is writable',
      '256',
      'lo',
    ]);
  });

  test('a mount is read-only or writable as declared; one without a source is refused in words', async () => {
    const [sources, target] = [join(room.folder, 'a'), '/mnt/a'];
    mkdirSync(sources, { mode: 0o777 });
    writeFileSync(join(sources, 'note'), 'hello');
    const mounts = [{ source: sources, target, readonly: true }];
    const seen = await output('mount', `cat ${target}/note; echo; touch ${target}/x 2>&1`, { mounts });
    expect(seen).toBe("hello\ntouch: cannot touch '/mnt/a/x': Read-only file system");

    const missing = { mounts: [{ source: join(room.folder, 'nowhere'), target, readonly: true }] };
    await expect(room.engine.start(room.spec('missing', FOREVER, missing))).rejects.toMatchObject({
      code: 'E_ENGINE_REFUSED',
      message: expect.stringContaining('nowhere'),
    });
    expect(await room.engine.list(room.install)).toHaveLength(1);
  });

  test('without a network it has a loopback of its own, knows localhost, and is told of no name server', async () => {
    const script = `
      ls /sys/class/net
      cat /etc/resolv.conf
      node -e 'const server = require("net").createServer((client) => client.end("heard\\n")).listen(0, "localhost", () => {
        console.log(server.address().address);
        require("net").connect(server.address().port, "localhost").on("data", (data) => {
          process.stdout.write(data);
          server.close();
        });
      })'`;
    expect((await output('loopback', script)).split('\n')).toEqual(['lo', '127.0.0.1', 'heard']);
  });

  test('past its memory it ends, and the exit says so', async () => {
    const spec = room.spec('glutton', [
      'node',
      '-e',
      'const a = []; for (;;) a.push(Buffer.alloc(1 << 20, 1))',
    ]);
    await room.engine.start(spec);
    await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
    expect(exitOf(spec)).toEqual([{ name: spec.name, epoch: 1, code: 137, oomKilled: true }]);
  });
});

describe('refusals', () => {
  test('an image that is not there', async () => {
    const spec = room.spec('imageless', FOREVER, { image: 'berth-no-such-image:1' });
    expect(await room.engine.hasImage(spec.image)).toBe(false);
    await expect(room.engine.start(spec)).rejects.toMatchObject({ code: 'E_IMAGE_MISSING' });
  });

  test('a command that is not there ends with its name in the log', async () => {
    const spec = room.spec('typo', ['no-such-program']);
    await room.engine.start(spec);
    await vi.waitUntil(() => exitOf(spec).length > 0, UNTIL);
    expect(await room.engine.tail(spec.name, 5)).toContain('no-such-program');
  });
});

describe('output', () => {
  test('tail has the last lines of both streams; follow goes on from there to the end', async () => {
    const script = 'for i in 1 2 3; do echo out $i; done; echo err >&2; sleep 0.5; echo last';
    const spec = room.spec('talker', ['sh', '-c', script]);
    await room.engine.start(spec);
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      room.engine.follow(spec.name, 100, (line) => lines.push(line), resolve).catch(reject);
    });
    expect([...lines].sort()).toEqual(['err', 'last', 'out 1', 'out 2', 'out 3']);
    expect(await room.engine.tail(spec.name, 1)).toBe('last');
  });
});
