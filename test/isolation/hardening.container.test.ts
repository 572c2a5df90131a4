import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDocker } from '../../src/engines/docker-connection.ts';
import { runBerth } from '../fixtures/berth-command.ts';
import { containersOf } from '../fixtures/containers-of.ts';
import { type HostProcess, startHost } from '../fixtures/host-process.ts';
import { shell } from '../fixtures/shell-group.ts';

const { docker, close } = connectDocker(process.env.DOCKER_HOST);
let host: HostProcess;
/** What the engine says of a session's container, and of its image. */
let container: Docker.ContainerInspectInfo;
let image: Docker.ImageInspectInfo;

beforeAll(async () => {
  host = await startHost({
    groups: {
      demo: shell('limits: { memory: 256m, cpus: 0.5, pids: 100 }', 'env: { FAVOURITE: blue }'),
      twin: shell(),
      elsewhere: shell('runtime: no-such-runtime'),
      standard: shell('runtime: runc'),
    },
  });
  await say('twin', 'true');
  await say('demo', 'true');
  const inspected = await Promise.all(
    (await containersOf(host)).map((name) => docker.getContainer(name).inspect()),
  );
  const found = inspected.find(({ Config }) => Config.Labels['berth.group'] === 'demo');
  if (!found) throw new Error('there is no container');
  container = found;
  image = await docker.getImage(container.Image).inspect();
});
afterAll(async () => {
  await host.dispose();
  close();
});

const say = async (group: string, script: string) => (await host.ask(group, 'one', script)).text;

describe('as the engine sees it', () => {
  test('an ordinary user, by number, and no other way to rights', () => {
    const { HostConfig, Config } = container;
    expect(Config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(HostConfig).toMatchObject({ Privileged: false, CapDrop: ['ALL'], CapAdd: null, GroupAdd: null });
    expect(HostConfig.SecurityOpt).toEqual(['no-new-privileges']);
  });

  test('a read-only root; what is writable is declared', () => {
    expect(container.HostConfig.ReadonlyRootfs).toBe(true);
    expect(container.Mounts.map(({ Destination, RW }) => `${Destination} ${RW}`).sort()).toEqual([
      ...['/global false', '/group true', '/home/agent true', '/instructions false'],
      ...['/session/in false', '/session/out true'],
    ]);
    expect(container.Mounts.every(({ Propagation }) => Propagation === 'rprivate')).toBe(true);
    expect(Object.keys(container.HostConfig.Tmpfs ?? {}).sort()).toEqual(['/run', '/tmp']);
    expect(
      Object.values(container.HostConfig.Tmpfs ?? {}).every((options) => /nosuid,nodev/.test(options)),
    ).toBe(true);
  });

  test('limits of memory without swap, processor, processes, open files, memory dumps and log', () => {
    expect(container.HostConfig).toMatchObject({
      ...{ Memory: 2 ** 28, MemorySwap: 2 ** 28, NanoCpus: 5e8, PidsLimit: 100, OomKillDisable: false },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
    });
    expect(container.HostConfig.Ulimits).toEqual([
      { Name: 'nofile', Hard: 4096, Soft: 4096 },
      { Name: 'core', Hard: 0, Soft: 0 },
    ]);
  });

  test('namespaces of its own, no devices, no ports, no socket of an engine', () => {
    const config = container.HostConfig as Docker.HostConfig & { CgroupnsMode: string };
    expect(config).toMatchObject({
      ...{ IpcMode: 'private', PidMode: '', UTSMode: '', UsernsMode: '', CgroupnsMode: 'private' },
      ...{ NetworkMode: 'none', CgroupParent: '', PublishAllPorts: false, PortBindings: {} },
    });
    expect([config.Devices ?? [], config.DeviceRequests ?? [], config.DeviceCgroupRules ?? []]).toEqual([
      [],
      [],
      [],
    ]);
    expect(JSON.stringify(container.Mounts)).not.toMatch(
      /docker\.sock|podman\.sock|containerd\.sock|berth\.sock/,
    );
  });

  test('paths of the kernel hidden or read-only, as the engine has it', () => {
    const { MaskedPaths, ReadonlyPaths } = container.HostConfig as Docker.HostConfig &
      Record<string, string[]>;
    expect(MaskedPaths).toEqual(expect.arrayContaining(['/proc/kcore', '/proc/keys', '/sys/firmware']));
    expect(ReadonlyPaths).toEqual(expect.arrayContaining(['/proc/sys', '/proc/sysrq-trigger']));
  });

  test('ends when it ends: no restart by the engine; an init as the first process', () => {
    expect(container.HostConfig.RestartPolicy?.Name).toBe('no');
    expect(container.Config.Entrypoint?.[0]).toMatch(/tini|entrypoint/);
  });

  test('the environment is a list: of Berth, of the group, of the image, and nothing of the host', () => {
    const names = (list: string[]) => list.map((line) => line.split('=')[0] ?? '');
    const own = names(container.Config.Env).filter((name) => !names(image.Config.Env).includes(name));
    expect(own.filter((name) => !name.startsWith('BERTH_')).sort()).toEqual(['FAVOURITE', 'HOME', 'TZ']);
    expect(container.Config.Env).toContain('HOME=/home/agent');
  });
});

describe('as it sees itself', () => {
  test('a filter of system calls, no new privileges, an init', async () => {
    expect(
      await say('demo', "grep -hE '^(Seccomp|NoNewPrivs):' /proc/self/status; cat /proc/1/comm"),
    ).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2\n(tini|docker-init)\n$/);
  });

  test('the user agent, with a uid that no other group has', async () => {
    const [one, other] = [await say('demo', 'id -un; id -u'), await say('twin', 'id -un; id -u')];
    expect([one, other].map((text) => text.split('\n')[0])).toEqual(['agent', 'agent']);
    if (process.getuid?.() === 0) expect(one).not.toBe(other);
    expect(one).not.toBe('agent\n0\n');
  });

  test('no network', async () => {
    expect(await say('demo', 'ls /sys/class/net')).toBe('lo\n');
  });
});

describe('runtimes', () => {
  test('a group may choose one', async () => {
    await say('standard', 'true');
    const all = await Promise.all(
      (await containersOf(host)).map((name) => docker.getContainer(name).inspect()),
    );
    const mine = all.find(({ Config }) => Config.Labels['berth.group'] === 'standard');
    expect(mine?.HostConfig.Runtime).toBe('runc');
  });

  test('one that the engine does not have fails the wake at once', async () => {
    await host.post('elsewhere', 'one', 'true');
    const [failure] = await host.waitForEvents('elsewhere', 'one', (all) => all.length > 0);
    expect(failure).toMatchObject({
      code: 'E_RUNTIME_UNKNOWN',
      reason: expect.stringContaining('no-such-runtime'),
    });
  });

  test('as a setting it keeps the host from starting', async () => {
    const { code, stderr } = await runBerth(['host'], {
      cwd: host.root,
      env: {
        ...{
          BERTH_RUNTIME: 'no-such-runtime',
          BERTH_HTTP_PORT: '0',
          BERTH_DATA_DIR: join(host.root, 'more'),
        },
        ...(process.env.DOCKER_HOST ? { DOCKER_HOST: process.env.DOCKER_HOST } : {}),
      },
    });
    expect(stderr).toMatch(
      /there is no runtime no-such-runtime: the engine has .*runc.*\[E_RUNTIME_UNKNOWN\]/,
    );
    expect(code).toBe(1);
  });

  test('child processes have none, and none is left out in silence', async () => {
    mkdirSync(join(host.root, 'groups'), { recursive: true });
    const env = {
      BERTH_RUNTIME: 'runsc',
      BERTH_ENGINE: 'process',
      BERTH_HTTP_PORT: '0',
      BERTH_DATA_DIR: join(host.root, 'more'),
    };
    const { code, stderr } = await runBerth(['host'], { cwd: host.root, env });
    expect(stderr).toMatch(/there is no runtime runsc.*child processes.*\[E_RUNTIME_UNKNOWN\]/);
    expect(code).toBe(1);
  });
});
