import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Group } from '../src/groups/group.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { allowedMounts, judgeMounts, mountChecks } from '../src/wake/extra-mounts.ts';
import { secretPart } from '../src/wake/secret-names.ts';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';

let root: string;
let home: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'berth-mounts-')));
  home = join(root, 'home');
  make('home/projects/app/src');
  make('berth/data/sessions');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const make = (...paths: string[]) => {
  for (const path of paths) mkdirSync(join(root, path), { recursive: true });
};
const write = (path: string, text = '') => writeFileSync(join(root, path), text, { mode: 0o600 });
const allow = (text: string) => {
  make('home/.config/berth');
  write('home/.config/berth/mounts.yaml', text);
};
const group = (host: string, rest = '', folder = 'demo'): Group =>
  parseGroup(`name: Demo\nmounts: [{host: ${JSON.stringify(host)}, name: it${rest}}]\n`, {
    ...{ folder, file: 'group.yaml', home },
  });
const judgeOne = async (host: string, rest?: string, folder?: string) => {
  const forbidden = [{ path: join(root, 'berth/data'), what: "Berth's data folder" }];
  const [verdict] = await judgeMounts({ home, forbidden }, group(host, rest, folder));
  return verdict;
};
const everything = () => allow(`roots: [{path: /, readwrite: true}, {path: ${root}, readwrite: true}]\n`);

describe('without a word of the operator', () => {
  test('nothing is mounted where there is no list, or an empty one', async () => {
    expect(await judgeOne('~/projects')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/no list/),
    });
    allow('roots: []\n');
    expect(await judgeOne('~/projects')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/none of the roots/),
    });
  });

  test('a group without mounts needs no list, not even a good one', async () => {
    allow('nonsense');
    const bare = parseGroup('name: Demo\n', { folder: 'demo', file: 'group.yaml' });
    expect(await judgeMounts({ home, forbidden: [] }, bare)).toEqual([]);
  });
});

describe('the list', () => {
  test('a folder under a root is read-only unless both the group and the root say otherwise', async () => {
    allow('roots: [{path: ~/projects}]\n');
    const real = join(home, 'projects/app');
    expect(await judgeOne('~/projects/app')).toMatchObject({ allowed: true, readonly: true, real });
    expect(await judgeOne('~/projects/app', ', readonly: false')).toMatchObject({
      ...{ allowed: true, readonly: true, why: expect.stringMatching(/which is read-only$/) },
    });
    allow('roots: [{path: ~/projects, readwrite: true}]\n');
    expect(await judgeOne('~/projects/app')).toMatchObject({ readonly: true });
    expect(await judgeOne('~/projects/app', ', readonly: false')).toMatchObject({ readonly: false });
  });

  test('of roots that lie in one another, the innermost decides; a root may be for some groups only', async () => {
    allow('roots: [{path: ~/projects, readwrite: true}, {path: ~/projects/app, groups: [demo]}]\n');
    expect(await judgeOne('~/projects/app', ', readonly: false')).toMatchObject({ readonly: true });
    expect(await judgeOne('~/projects/app', '', 'other')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/not for this group/),
    });
    expect(await judgeOne('~/projects', '', 'other')).toMatchObject({ allowed: true });
  });

  test.each([
    [
      'roots: [{path: projects}]',
      /mounts\.yaml:1: roots\[0\]\.path is "projects"; allowed: an absolute path/,
    ],
    ['roots: [{path: /a/../b}]', /without `\.\.`/],
    ['roots: [{path: /a, readwrit: true}]', /did you mean readwrite\?/],
    ['roots: [{path: /a, groups: []}]', /at least 1/],
    ['root: []', /root is not a known key/],
    ['roots: [', /no valid YAML/],
  ])('%s is refused in words', async (text, message) => {
    allow(text);
    await expect(judgeOne('~/projects')).rejects.toMatchObject({
      code: 'E_MOUNTS_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  test('one that others may write, or that is a link, is not believed', async () => {
    allow('roots: []\n');
    chmodSync(join(home, '.config/berth/mounts.yaml'), 0o666);
    await expect(judgeOne('~/projects')).rejects.toMatchObject({
      code: 'E_MOUNTS_CONFIG',
      message: expect.stringMatching(/chmod go-w/),
    });
    rmSync(join(home, '.config/berth/mounts.yaml'));
    write('home/list', 'roots: []\n');
    symlinkSync(join(home, 'list'), join(home, '.config/berth/mounts.yaml'));
    await expect(judgeOne('~/projects')).rejects.toMatchObject({
      message: expect.stringMatching(/symbolic link/),
    });
  });
});

describe('refused, whatever the list says', () => {
  test.each([
    ['/', /holds or lies in \/proc/],
    ['/proc', /\/proc/],
    ['/proc/self/root', /\/proc/],
    ['/sys/kernel', /\/sys/],
    ['/dev/shm', /\/dev/],
    ['/etc/ssl', /\/etc/],
    ['/var', /\/var/],
  ])('%s', async (path, why) => {
    everything();
    expect(await judgeOne(path)).toMatchObject({ allowed: false, why: expect.stringMatching(why) });
  });

  test.each([
    ...['.ssh', '.gnupg', '.aws', '.azure', '.config/gcloud', '.kube', '.docker', '.config/berth'],
    ...['.SSH', '.ssh/sub', 'x/.Aws/y', '.env', '.env.local', 'keys.pem', 'server.key', 'id_ed25519'],
  ])('~/%s', async (path) => {
    everything();
    make(`home/${path}`);
    expect(await judgeOne(`~/${path}`)).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/credentials or keys/),
    });
  });

  test.each(['.env', '.netrc', '.npmrc', '.git-credentials', 'id_rsa', 'a/b/cert.PEM', 'a/.ssh/config'])(
    'a folder that holds %s',
    async (path) => {
      everything();
      make(`home/projects/app/${dirname(path)}`);
      write(`home/projects/app/${path}`);
      expect(await judgeOne('~/projects')).toMatchObject({
        allowed: false,
        why: expect.stringMatching(/^it holds app\//),
      });
    },
  );

  test.each(['.colima/default/docker.sock', '.rd/docker.sock', 'podman/podman.sock'])(
    'a folder that holds the socket of an engine: %s',
    async (path) => {
      everything();
      make(`home/projects/${dirname(path)}`);
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(join(home, 'projects', path), resolve));
      try {
        expect(await judgeOne('~/projects')).toMatchObject({
          ...{
            allowed: false,
            why: expect.stringMatching(/^it holds .*\.sock, the socket of a container engine/),
          },
        });
        expect(await judgeOne('~/projects/app')).toMatchObject({ allowed: true });
      } finally {
        server.close();
      }
    },
  );

  test.runIf(canMount)('a folder in which something else is mounted', async () => {
    everything();
    const disk = await mountSmallDisk(join(home, 'projects/app/in a disk'), 1);
    try {
      expect(await judgeOne('~/projects')).toMatchObject({
        ...{ allowed: false, why: expect.stringMatching(/mounted in it, at .*app\/in a disk/) },
      });
      expect(await judgeOne('~/projects/app/in a disk')).toMatchObject({ allowed: true });
      expect(await judgeOne('~/projects/app/src')).toMatchObject({ allowed: true });
    } finally {
      await disk.unmount();
    }
  });

  test("Berth's own data: the folder, what it lies in, what lies in it", async () => {
    everything();
    for (const path of ['berth', 'berth/data', 'berth/data/sessions'])
      expect(await judgeOne(join(root, path))).toMatchObject({
        allowed: false,
        why: expect.stringMatching(/Berth's data folder/),
      });
  });

  test('a link is judged by where it leads, a trailing slash changes nothing', async () => {
    allow('roots: [{path: ~/projects}]\n');
    make('home/.ssh', 'home/elsewhere');
    symlinkSync(join(home, '.ssh'), join(home, 'projects/innocent'));
    symlinkSync(join(home, 'elsewhere'), join(home, 'projects/out'));
    symlinkSync(join(home, 'projects/app'), join(home, 'projects/link'));
    expect(await judgeOne('~/projects/innocent')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/^\.ssh .*leads to/),
    });
    expect(await judgeOne('~/projects/out')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/none of the roots .*leads to/),
    });
    expect(await judgeOne('~/projects/link')).toMatchObject({
      allowed: true,
      real: join(home, 'projects/app'),
    });
    expect(await judgeOne('~/projects/app/')).toMatchObject({
      allowed: true,
      real: join(home, 'projects/app'),
    });
    expect(await judgeOne('~/projects/.//app//')).toMatchObject({ allowed: true });
    expect(() => group('~/projects/../.ssh')).toThrow(/without `\.\.`/);
  });

  test('what is not there, and what is no folder', async () => {
    everything();
    write('home/projects/file');
    expect(await judgeOne('~/nowhere')).toMatchObject({
      allowed: false,
      real: null,
      why: expect.stringMatching(/no such folder/),
    });
    expect(await judgeOne('~/projects/file')).toMatchObject({
      allowed: false,
      why: expect.stringMatching(/is no folder/),
    });
  });

  test('names that only resemble those of keys are no keys', () => {
    for (const path of [
      '/a/environment',
      '/a/keyboard',
      '/a/sshd',
      '/a/.config/nvim',
      '/a/id',
      '/src/credentials',
    ])
      expect(secretPart(path)).toBeUndefined();
  });
});

describe('between check and start', () => {
  const anchor = () => ({ source: home, target: '/session/in', readonly: true });

  async function checksOf(host: string) {
    allow('roots: [{path: ~/projects, readwrite: true}]\n');
    const verdicts = await judgeMounts({ home, forbidden: [] }, group(host));
    expect(allowedMounts(verdicts, 'demo')).toHaveLength(1);
    return mountChecks(verdicts, anchor());
  }

  test('a folder that was swapped for a link, or for another folder, is refused', async () => {
    const checks = await checksOf('~/projects/app');
    await checks?.created();
    await checks?.started(undefined);
    rmSync(join(home, 'projects/app'), { recursive: true });
    symlinkSync(join(root, 'berth'), join(home, 'projects/app'));
    await expect(checks?.created()).rejects.toMatchObject({
      code: 'E_MOUNT_REFUSED',
      message: expect.stringMatching(/was changed/),
    });
    await expect(checks?.started(undefined)).rejects.toMatchObject({ code: 'E_MOUNT_REFUSED' });
  });

  test('what counts is what the container sees, also when the path is as it was again', async () => {
    const checks = await checksOf('~/projects/app');
    const inside = join(root, 'inside');
    make('inside/session', 'inside/mnt/it');
    symlinkSync(home, join(inside, 'session/in'));
    await expect(checks?.started(inside)).rejects.toMatchObject({ code: 'E_MOUNT_REFUSED' });
    rmSync(join(inside, 'mnt/it'), { recursive: true });
    symlinkSync(join(home, 'projects/app'), join(inside, 'mnt/it'));
    await checks?.started(inside);
  });

  test('files of a process that is not the container say nothing', async () => {
    const checks = await checksOf('~/projects/app');
    make('stranger/mnt/it');
    await checks?.started(join(root, 'stranger'));
  });
});

describe('berth mounts check', () => {
  const check = (...words: string[]) =>
    runBerth(['mounts', 'check', ...words], {
      env: { HOME: home, BERTH_GROUPS_DIR: join(root, 'groups'), BERTH_DATA_DIR: join(root, 'berth/data') },
    });

  beforeEach(() => {
    make('groups/demo', 'home/.ssh');
    const mounts = '[{host: ~/projects/app, name: app, readonly: false}, {host: ~/.ssh, name: keys}]';
    write('groups/demo/group.yaml', `name: Demo\nmounts: ${mounts}\n`);
  });

  test('explains each verdict, as a table in a pipe and as JSON, and exits with 1 when one is refused', async () => {
    allow('roots: [{path: ~/projects}]\n');
    const table = await check('demo');
    expect(table.stdout.split('\n').map((line) => line.split('\t'))).toEqual([
      ['HOST', 'LEADS TO', 'IN CONTAINER', 'VERDICT', 'WHY'],
      [
        ...[join(home, 'projects/app'), join(home, 'projects/app'), '/mnt/app', 'read-only'],
        `under the root ${home}/projects, which is read-only`,
      ],
      [
        join(home, '.ssh'),
        join(home, '.ssh'),
        '/mnt/keys',
        'refused',
        '.ssh is the name of credentials or keys',
      ],
      [''],
    ]);
    const json = await check('demo', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject([
      { target: '/mnt/app', verdict: 'read-only' },
      { target: '/mnt/keys', verdict: 'refused' },
    ]);
    const refused = `berth: group demo may not mount ${join(home, '.ssh')}: .ssh is the name of credentials or keys. `;
    for (const one of [table, json]) expectRefusal(one, 'E_MOUNT_REFUSED', refused);
  });

  test('says nothing on stderr, and exits with 0, where all are allowed', async () => {
    allow('roots: [{path: ~/projects}]\n');
    write('groups/demo/group.yaml', 'name: Demo\nmounts: [{host: ~/projects/app, name: app}]\n');
    expect(await check('demo')).toMatchObject({ code: 0, stderr: '' });
  });

  test('a list that cannot be used, and a group that is not there, are said', async () => {
    allow('roots: nonsense\n');
    expectRefusal(await check('demo'), 'E_MOUNTS_CONFIG', /mounts\.yaml:1: roots is "nonsense"/);
    expectRefusal(await check('nobody'), 'E_GROUP_UNKNOWN', /there are: demo/);
  });
});
