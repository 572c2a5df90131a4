import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { wallArguments } from '../src/engines/bubblewrap.ts';
import type { ContainerExit, ContainerSpec } from '../src/engines/engine.ts';
import { containmentWarnings, createProcessEngine } from '../src/engines/process.ts';
import { type Isolation, probeIsolation } from '../src/engines/process-isolation.ts';
import { toHostEnvironment, toHostPath } from '../src/engines/process-paths.ts';
import { canReach, canReadItself } from '../src/engines/reach.ts';
import { bundleRunner } from '../src/images/bundle-runner.ts';
import { type EngineRoom, FOREVER, openRoom, silent, testUser } from './fixtures/engine-room.ts';

const UNTIL = { timeout: 10_000, interval: 10 };
const probed = await probeIsolation();
/** What this machine has to offer, and less. */
const ways: { name: string; isolation: Isolation }[] = [
  { name: 'without any program to help', isolation: { kind: 'bare', setpriv: undefined } },
  { name: 'bare, with setpriv', isolation: { kind: 'bare', setpriv: '/usr/bin/setpriv' } },
  { name: 'as probed', isolation: probed },
];

describe.each(ways)('$name', ({ isolation }) => {
  let room: EngineRoom;
  let exits: ContainerExit[];

  beforeEach(async () => {
    room = openRoom(await createProcessEngine({ log: silent, bundleRunner, isolation }));
    exits = [];
    room.engine.onExit(room.install, (exit) => exits.push(exit));
  });

  afterEach(async () => {
    await room.close();
    vi.unstubAllEnvs();
  });

  function mountsOf(...targets: string[]): ContainerSpec['mounts'] {
    return targets.map((target) => {
      const source = join(room.folder, target.replaceAll('/', '_'));
      mkdirSync(source);
      if (process.getuid?.() === 0) chownSync(source, testUser.uid, testUser.gid);
      return { source, target, readonly: target === '/session/in' };
    });
  }

  async function startUp(spec: ContainerSpec): Promise<void> {
    await room.engine.start(spec);
    await vi.waitUntil(async () => (await room.engine.tail(spec.name, 10)).includes('up'), UNTIL);
  }

  test('what is handed over is in the environment and in files, which go with the process', async () => {
    const handed = {
      environment: { SOME_KEY: "it's\na key", CERTIFICATES: '/run/berth/handed/ca.pem' },
      files: { 'ca.pem': 'certificates' },
    };
    const code =
      'const { SOME_KEY, CERTIFICATES } = process.env; console.log(JSON.stringify([SOME_KEY, CERTIFICATES, require("fs").readFileSync(CERTIFICATES, "utf8")]))';
    const spec = room.spec('handed', ['node', '-e', code], { handed, tmpfs: ['/tmp', '/run'] });
    const [line = ''] = await output(spec);
    const [key, path, content] = JSON.parse(line) as string[];
    expect([key, content]).toEqual(["it's\na key", 'certificates']);
    await room.engine.remove(spec.name);
    expect(existsSync(path ?? '')).toBe(false);
  });

  async function output(spec: ContainerSpec): Promise<string[]> {
    await room.engine.start(spec);
    await vi.waitUntil(() => exits.some(({ name }) => name === spec.name), UNTIL);
    return (await room.engine.tail(spec.name, 200)).split('\n');
  }

  test('says that it is no container', () => {
    expect(room.engine).toMatchObject({ kind: 'process', contains: false, canPause: false });
    expect(containmentWarnings(room.engine).join()).toMatch(/^this is no container: /);
  });

  test('starts, is listed, stops at SIGTERM and is gone; the exit is told once', async () => {
    const spec = room.spec('life', FOREVER);
    await startUp(spec);
    expect(await room.engine.list(room.install)).toEqual([
      { name: spec.name, labels: spec.labels, running: true, paused: false },
    ]);
    await room.engine.stop(spec.name, 5_000);
    expect(await room.engine.list(room.install)).toEqual([]);
    expect(exits).toEqual([{ name: spec.name, epoch: 1, code: 7, signal: undefined, oomKilled: false }]);
    await room.engine.stop(spec.name, 5_000);
    await room.engine.remove(spec.name);
  });

  test('kills what does not heed SIGTERM, with all that it started', async () => {
    const script = `process.on('SIGTERM', () => {});
      const child = require('node:child_process').spawn('sleep', ['600.125']);
      child.on('spawn', () => console.log('up')); setInterval(() => {}, 1000)`;
    const spec = room.spec('deaf', ['node', '-e', script]);
    await startUp(spec);
    expect(sleepers()).toHaveLength(1);
    await room.engine.stop(spec.name, 200);
    await vi.waitUntil(() => sleepers().length === 0, UNTIL);
    expect(exits).toHaveLength(1);
  });

  test('one per name: a second of the same epoch is refused, a later one takes the place', async () => {
    const spec = room.spec('twin', FOREVER);
    const results = await Promise.allSettled([room.engine.start(spec), room.engine.start(spec)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(room.engine.start(spec)).rejects.toMatchObject({ code: 'E_ENGINE_REFUSED' });
    await room.engine.start({ ...spec, labels: { ...spec.labels, epoch: 2 } });
    expect(await room.engine.list(room.install)).toMatchObject([{ labels: { epoch: 2 }, running: true }]);
    expect(exits).toMatchObject([{ epoch: 1 }]);
  });

  test('killed right after its start, nothing of it lives on', async () => {
    for (let epoch = 1; epoch <= 8; epoch += 1) {
      const spec = room.spec('brief', ['sleep', '600.125']);
      await room.engine.start({ ...spec, labels: { ...spec.labels, epoch } });
    }
    await room.engine.remove(room.spec('brief', []).name);
    await vi.waitUntil(() => sleepers().length === 0, UNTIL);
  });

  test('an exit by itself is told with its code, and the last lines are still there', async () => {
    const spec = room.spec('crash', [
      'node',
      '-e',
      'console.log("out"); console.error("err"); process.exit(3)',
    ]);
    expect((await output(spec)).sort()).toEqual(['err', 'out']);
    expect(exits).toMatchObject([{ name: spec.name, code: 3 }]);
    expect(await room.engine.list(room.install)).toMatchObject([{ running: false }]);
    await room.engine.start(spec); // an ended one is no hindrance
  });

  test('the environment is the spec’s and nothing of the host’s', async () => {
    vi.stubEnv('HOST_SECRET', 'do not tell');
    const spec = room.spec('env', ['env'], { environment: { HOME: '/home/agent', FAVOURITE: 'blue' } });
    const names = (await output(spec)).map((line) => line.split('=')[0]).filter((name) => name !== 'PWD');
    expect(names.sort()).toEqual(['FAVOURITE', 'HOME', 'PATH']);
  });

  test('variables that libraries obey are the command’s alone: no program of root heeds them', async () => {
    const mounts = mountsOf('/group');
    const folder = mounts[0]?.source ?? '';
    chmodSync(folder, 0o777);
    // By these the loader writes a file for each program, as the user that runs it.
    const environment = { LD_DEBUG: 'files', LD_DEBUG_OUTPUT: '/group/trace', LC_ALL: 'C' };
    const spec = room.spec('loader', ['sh', '-c', 'echo "$LD_DEBUG $LC_ALL"'], { mounts, environment });
    expect(await output(spec)).toEqual(['files C']);
    const owners = readdirSync(folder).map((name) => statSync(join(folder, name)).uid);
    expect(new Set(owners)).toEqual(new Set([testUser.uid]));
  });

  test('runs as the user of the spec, never as root, and finds the folders it is told', async () => {
    const mounts = mountsOf('/session/in', '/session/out', '/group', '/home/agent');
    writeFileSync(join(mounts[2]?.source ?? '', 'bot.mjs'), 'console.log(process.getuid())', { mode: 0o644 });
    const environment = { BERTH_OUT_DIR: '/session/out', HOME: '/home/agent' };
    expect(await output(room.spec('bot', ['node', '/group/bot.mjs'], { mounts }))).toEqual([
      String(testUser.uid),
    ]);
    const script = 'echo hello > $BERTH_OUT_DIR/x; cd ~; pwd > mine';
    await output(room.spec('folders', ['sh', '-c', script], { mounts, environment }));
    expect(readFileSync(join(mounts[1]?.source ?? '', 'x'), 'utf8')).toBe('hello\n');
    expect(readFileSync(join(mounts[3]?.source ?? '', 'mine'), 'utf8')).toMatch(/home/);

    const asRoot = room.spec('root', ['id'], { user: { uid: 0, gid: 0 } });
    await expect(room.engine.start(asRoot)).rejects.toMatchObject({ code: 'E_ENGINE_REFUSED' });
  });

  test('the shipped runner starts, and without a contract it says so', async () => {
    const { command: _, ...spec } = room.spec('runner', []);
    expect((await output(spec)).join('\n')).toContain('BERTH_CONTRACT is not set');
  });

  test('follow goes on from the last lines to the end', async () => {
    const spec = room.spec('talker', ['sh', '-c', 'echo up; sleep 0.3; echo 2; echo 3']);
    await startUp(spec);
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      room.engine.follow(spec.name, 10, (line) => lines.push(line), resolve).catch(reject);
    });
    expect(lines).toEqual(['up', '2', '3']);
  });

  test('a program that is not there is a refusal or an exit, in words', async () => {
    const spec = room.spec('typo', ['no-such-program']);
    const refused = await room.engine.start(spec).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (refused === undefined) await vi.waitUntil(() => exits.length > 0, UNTIL);
    expect(refused ?? (await room.engine.tail(spec.name, 10))).toContain('no-such-program');
  });
});

test.runIf(probed.kind === 'bubblewrap')(
  'within bubblewrap there is no network, no other process and no file of the host',
  async () => {
    const room = openRoom(await createProcessEngine({ log: silent, bundleRunner }));
    const exits: ContainerExit[] = [];
    room.engine.onExit(room.install, (exit) => exits.push(exit));
    const spec = room.spec('walls', [
      'sh',
      '-c',
      'whoami; ls /; ls /sys/class/net 2>&1; ls -d /proc/[0-9]* | wc -l; touch /usr/x 2>&1',
    ]);
    await room.engine.start(spec);
    await vi.waitUntil(() => exits.length > 0, UNTIL);
    const seen = (await room.engine.tail(spec.name, 100)).split('\n');
    expect(seen[0]).toBe('agent');
    expect(seen).not.toContain('root');
    expect(seen).not.toContain('work');
    expect(seen.at(-1)).toContain('Read-only file system');
    await room.close();
  },
);

test.runIf(probed.kind === 'bubblewrap')('folders of the host’s keys are covered where there are any', () => {
  const args = wallArguments(testUser, 'none');
  for (const path of ['/etc/ssl/private', '/etc/pki/tls/private'])
    expect(args.includes(path), path).toBe(existsSync(path));
});

/** The grandchildren of these tests, by their peculiar argument. */
function sleepers(): string[] {
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && commandLine(pid) === 'sleep\u0000600.125\u0000',
  );
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

test.runIf(process.getuid?.() === 0)(
  'who may reach a file is told by the modes of all folders above it',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-reach-'));
    const file = join(folder, 'file');
    writeFileSync(file, '', { mode: 0o644 });
    const stranger = { uid: 4242, gid: 4242 };
    expect(await canReadItself(file, stranger)).toBe(true);
    expect(await canReach(file, stranger)).toBe(false);
    chmodSync(folder, 0o711);
    expect(await canReach(file, stranger)).toBe(true);
    expect(await canReach(folder, stranger)).toBe(false);
    expect(await canReach(join(folder, 'nothing'), stranger)).toBe(false);
    rmSync(folder, { recursive: true });
  },
);

test.runIf(process.getuid?.() === 0)(
  'a folder that the user cannot reach is a refusal that names it',
  async () => {
    const room = openRoom(
      await createProcessEngine({
        log: silent,
        bundleRunner,
        isolation: { kind: 'bare', setpriv: undefined },
      }),
    );
    const source = join(room.folder, 'closed');
    mkdirSync(source, { mode: 0o700 });
    const spec = room.spec('closed', ['true'], { mounts: [{ source, target: '/group', readonly: false }] });
    await expect(room.engine.start(spec)).rejects.toMatchObject({
      code: 'E_ENGINE_REFUSED',
      message: expect.stringContaining(source),
    });
    await room.close();
  },
);

describe('paths of the container on the host', () => {
  const mounts = [
    { source: '/data/groups/demo/workspace', target: '/group', readonly: false },
    { source: '/data/notes', target: '/group/notes', readonly: true },
    { source: '/data/global', target: '/global', readonly: true },
  ];

  test('the innermost mount counts, and only whole names', () => {
    expect(toHostPath('/group/bot.mjs', mounts)).toBe('/data/groups/demo/workspace/bot.mjs');
    expect(toHostPath('/group/notes/a', mounts)).toBe('/data/notes/a');
    expect(toHostPath('/group', mounts)).toBe('/data/groups/demo/workspace');
    expect(toHostPath('/groups/x', mounts)).toBe('/groups/x');
    expect(toHostPath('group/x', mounts)).toBe('group/x');
  });

  test('folders without a variable of their own get one', () => {
    expect(toHostEnvironment({ BERTH_GROUP_DIR: '/group', TZ: 'UTC' }, mounts)).toEqual({
      BERTH_GROUP_DIR: '/data/groups/demo/workspace',
      BERTH_GLOBAL_DIR: '/data/global',
      TZ: 'UTC',
    });
  });
});
