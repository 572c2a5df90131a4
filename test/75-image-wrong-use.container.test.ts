import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { BerthError } from '../src/errors.ts';
import { explainFailure } from '../src/images/explain-failure.ts';
import { packContext } from '../src/images/pack-context.ts';
import { expectRefusal, type Finished, runBerth } from './fixtures/berth-command.ts';
import { openImageRoom } from './fixtures/image-room.ts';
import { deriveBase, removeImagesOf } from './fixtures/own-images.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

const LIMIT = { timeout: 120_000 };
const UNTIL = { timeout: 60_000, interval: 20 };
const ENGINE = connectDocker(process.env.DOCKER_HOST).where;
const main = new URL('../src/berth.js', import.meta.url).pathname;

let folder: string;
let env: Record<string, string>;
let base: Awaited<ReturnType<typeof deriveBase>>;

beforeAll(async () => {
  base = await deriveBase();
});
afterAll(() => base.remove());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-wrong-'));
  mkdirSync(join(folder, 'groups'));
  env = {
    BERTH_DATA_DIR: join(folder, 'data'),
    BERTH_GROUPS_DIR: join(folder, 'groups'),
    BERTH_BASE_IMAGE: base.name,
    DOCKER_HOST: ENGINE,
  };
});
afterEach(async () => {
  await removeImagesOf(join(folder, 'data'));
  rmSync(folder, { recursive: true });
});

function declare(group: string, image: string): void {
  mkdirSync(join(folder, 'groups', group), { recursive: true });
  writeFileSync(join(folder, 'groups', group, 'group.yaml'), `name: ${group}\nimage: ${image}\n`);
}

const berth = (...words: string[]): Promise<Finished> => runBerth(words, { env, limitMs: LIMIT.timeout });

/** The command in the background, with what it has printed so far. */
function startBerth(...words: string[]) {
  const { PATH = '', HOME = '' } = process.env;
  const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
  const child = spawn(process.execPath, [main, ...words], { env: { PATH, HOME, ...env }, stdio });
  const lines: string[] = [];
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return {
    child,
    lines,
    ended: once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stderr,
      stdout: lines.join('\n'),
    })),
    /** Resolves when a line has that text. */
    says: (text: string) => vi.waitUntil(() => lines.some((line) => line.includes(text)), UNTIL),
  };
}

describe('what is declared', LIMIT, () => {
  test('a package that does not exist fails by its name, after the lines of the builder', async () => {
    declare('one', '{ apt: [no-such-package-at-all] }');
    const finished = await berth('build-image', 'one');
    expectRefusal(finished, 'E_IMAGE_PACKAGE', 'there is no Debian package no-such-package-at-all');
    expect(finished.stdout).toMatch(/one: step 1 of \d+: FROM /);
    expect(finished.stdout).toContain('one:   E: Unable to locate package no-such-package-at-all');
  });

  test('each of several groups fails by what is wrong with its own', async () => {
    const mistakes: [string, string, string][] = [
      ['{ apt: ["jq=9.9*"] }', 'E_IMAGE_PACKAGE', 'the Debian package jq has no version 9.9*'],
      [
        '{ npm: [no-such-package-at-all-x1] }',
        'E_IMAGE_PACKAGE',
        'there is no npm package no-such-package-at-all-x1',
      ],
      ['{ npm: ["is-number@99"] }', 'E_IMAGE_PACKAGE', 'there is no version is-number@99'],
      [
        '{ apt: ["curl; rm -rf /"] }',
        'E_IMAGE_SPEC',
        '"curl; rm -rf /": the name of a Debian package has only',
      ],
      ['{ apt: ["$(id)"] }', 'E_IMAGE_SPEC', '"$(id)": the name of a Debian package has only'],
      ['{ apt: ["-oAPT::x"] }', 'E_IMAGE_SPEC', '"-oAPT::x": the name of a Debian package has only'],
      ['{ npm: ["--registry=http://example.com"] }', 'E_IMAGE_SPEC', 'like an option'],
      ['{ npm: ["../x"] }', 'E_IMAGE_SPEC', 'a path, a file or an address'],
      ['{ npm: ["git+ssh://git@example.com/x.git"] }', 'E_IMAGE_SPEC', 'a path, a file or an address'],
      ['{ apt: ["jq=1.6*", "jq=1.7*"] }', 'E_IMAGE_SPEC', 'jq is declared twice: "jq=1.6*" and "jq=1.7*"'],
      [
        `{ apt: [${Array.from({ length: 500 }, (_, n) => `p${n}x`)}] }`,
        'E_IMAGE_SPEC',
        '500 packages are declared',
      ],
    ];
    for (const [index, [image]] of mistakes.entries()) declare(`g${index}`, image);
    const finished = await berth('build-image', '--all', '--json');
    const events = finished.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const [index, [, code, words]] of mistakes.entries()) {
      const failed = events.find(({ event, group }) => event === 'failed' && group === `g${index}`);
      expect(failed).toMatchObject({ code, message: expect.stringContaining(words) });
    }
    expect(finished.code).toBe(1);
    expect(finished.stderr).toContain(`${mistakes.length} of ${mistakes.length} images were not built`);
  });

  test('what is refused is refused to a single group as well, before anything is built', async () => {
    declare('one', '{ apt: ["curl; rm -rf /"] }');
    const finished = await berth('build-image', 'one');
    expectRefusal(finished, 'E_IMAGE_SPEC', 'image.apt: "curl; rm -rf /": ');
    expect(finished.stdout).not.toContain('step');
  });

  test('an empty list is the base image; an item that is no text is the group.yaml’s mistake', async () => {
    declare('one', '{ apt: [], npm: [] }');
    expect(await berth('build-image', 'one')).toEqual({
      code: 0,
      stdout: 'one: declares no packages and starts from the base image\n',
      stderr: '',
    });
    declare('one', '{ apt: [1] }');
    expectRefusal(await berth('build-image', 'one'), 'E_GROUP_CONFIG', 'image.apt');
    declare('one', '{ apt: [""] }');
    expectRefusal(await berth('build-image', 'one'), 'E_GROUP_CONFIG', 'image.apt');
  });

  test('a group that does not exist, no group, and a group together with all', async () => {
    declare('one', '{}');
    expectRefusal(await berth('build-image', 'two'), 'E_GROUP_UNKNOWN', 'there are: one');
    expect(await berth('build-image')).toMatchObject({
      code: 2,
      stderr: 'berth: name one group, or give --all\n',
    });
    expect((await berth('build-image', 'one', '--all')).code).toBe(2);
  });

  test('with --all, one that fails does not keep the others from their image', async () => {
    declare('good', '{ npm: ["is-odd@3.0.1"] }');
    declare('bad', '{ apt: ["$(id)"] }');
    declare('plain', '{}');
    const finished = await berth('build-image', '--all', '--json');
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(
      /^berth: 1 of 3 images were not built: bad \(E_IMAGE_SPEC\)\. .*\[E_IMAGE_BUILD\]\n$/,
    );
    const events = finished.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events).toContainEqual(expect.objectContaining({ event: 'step', group: 'good', step: 1 }));
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'failed', group: 'bad', code: 'E_IMAGE_SPEC' }),
    );
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'done',
        group: 'good',
        packages: { apt: {}, npm: { 'is-odd': '3.0.1' } },
      }),
    );
  });
});

describe('what surrounds a build', LIMIT, () => {
  test.each([
    ['{ apt: [jq] }', "Debian's packages cannot be fetched"],
    ['{ npm: ["is-number@7.0.0"] }', 'the npm registry cannot be reached'],
  ])('no network: %s says what cannot be reached', async (image, words) => {
    const room = await openImageRoom({
      groups: { one: image },
      baseImage: base.name,
      limits: { network: 'none' },
    });
    await expect(room.images.build('one', { afresh: true })).rejects.toMatchObject({
      code: 'E_IMAGE_REGISTRY',
      message: expect.stringContaining(words),
    });
    await room.close();
  });

  test('too little memory says so', async () => {
    const room = await openImageRoom({
      groups: { one: '{ npm: ["cowsay@1.6.0"] }' },
      baseImage: base.name,
      limits: { memoryBytes: 40 * 1024 ** 2 },
    });
    await expect(room.images.build('one', { afresh: true })).rejects.toMatchObject({
      code: 'E_IMAGE_BUILD',
      message: 'the build needed more memory than it may have',
    });
    await room.close();
  });

  test.skipIf(!canMount)('a full disk under the data folder', async () => {
    const disk = await mountSmallDisk(join(folder, 'data', 'builds'), 1);
    try {
      declare('one', '{ npm: ["is-odd@3.0.1"] }');
      await disk.fill();
      expectRefusal(await berth('build-image', 'one'), 'E_DISK_FULL', 'the disk is full');
    } finally {
      await disk.unmount();
    }
  });

  test.each([
    ['install-apt', ['jq'], { '/var/cache/apt/archives': 'size=64k' }],
    ['provide-npm', [], { '/tmp': 'size=100k' }],
  ])('a full disk under the engine: %s', async (program, items, tmpfs) => {
    const words = await runInstaller(program, items, tmpfs);
    const failed = new BerthError('E_IMAGE_BUILD', 'building x: returned a non-zero code: 100');
    expect(explainFailure(failed, words, { apt: [], npm: [], scripts: [] }).code).toBe('E_DISK_FULL');
  });

  test('a base image of another contract is not built on, nor is anything started from it', async () => {
    const baseImage = 'berth-test-oldbase:1';
    const room = await openImageRoom({ groups: { one: '{ apt: [jq] }', plain: '{}' }, baseImage });
    const content = Buffer.from(`FROM ${base.name}\nLABEL berth.contract=0\n`);
    const context = packContext([{ path: 'Dockerfile', content }], []);
    await room.builder.build({
      tag: baseImage,
      context,
      args: {},
      labels: {},
      noCache: false,
      onLine: () => undefined,
    });
    await expect(room.images.build('one', {})).rejects.toMatchObject({
      code: 'E_IMAGE_BASE',
      message: expect.stringContaining('session contract 0'),
    });
    await expect(room.images.imageFor(room.group('plain'))).rejects.toMatchObject({ code: 'E_IMAGE_BASE' });
    await room.builder.remove(baseImage);
    await room.close();
  });

  test('an engine that goes away in the middle; the next build goes on', async () => {
    const socket = join(folder, 'engine.sock');
    const proxy = await openSocketProxy(socket, ENGINE.replace('unix://', ''));
    env.DOCKER_HOST = `unix://${socket}`;
    declare('one', '{ npm: ["is-odd@2.0.0"] }');
    const running = startBerth('build-image', 'one');
    await running.says('install-npm');
    await proxy.cut();
    expectRefusal(await running.ended, 'E_ENGINE_UNREACHABLE');
    await proxy.restore();
    expect(await berth('build-image', 'one')).toMatchObject({ code: 0, stderr: '' });
    await proxy.cut();
    env.DOCKER_HOST = ENGINE;
  });

  test('two operators at once: one builds, the other is told who; interrupted, nothing of it is used', async () => {
    declare('one', '{ npm: ["is-odd@1.0.0"] }');
    const first = startBerth('build-image', 'one');
    await first.says('install-npm');
    expectRefusal(await berth('build-image', 'one'), 'E_DATA_LOCKED', `process ${first.child.pid}`);
    first.child.kill('SIGINT');
    const { code, stderr } = await first.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('[E_IMAGE_CANCELLED]');
    expect((await berth('images', '--json')).stdout).toBe('[]\n');
  });

  test('killed in the middle, no half image is used, and the next build makes a whole one', async () => {
    declare('one', '{ npm: ["is-odd@1.0.0"] }');
    const first = startBerth('build-image', 'one');
    await first.says('install-npm');
    first.child.kill('SIGKILL');
    await first.ended;
    expect((await berth('images', '--json')).stdout).toBe('[]\n');
    const again = await berth('build-image', 'one');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('npm is-odd 1.0.0');
  });
});

test(
  'the same declaration again asks the engine for two images, and nothing of its builder',
  LIMIT,
  async () => {
    declare('one', '{ npm: ["is-odd@3.0.1"] }');
    expect((await berth('build-image', 'one')).code).toBe(0);
    const asked: string[] = [];
    const socket = join(folder, 'engine.sock');
    const proxy = await openSocketProxy(socket, ENGINE.replace('unix://', ''), (line) => asked.push(line));
    env.DOCKER_HOST = `unix://${socket}`;
    const second = await berth('build-image', 'one');
    await proxy.cut();
    env.DOCKER_HOST = ENGINE;
    expect(second.stdout).toMatch(/was there already \(\d+ ms\)/);
    expect(asked.sort()).toEqual([
      expect.stringMatching(/^GET \/images\/berth-[\w%-]+\/json /),
      expect.stringMatching(/^GET \/images\/sha256%3A[0-9a-f]+\/json /),
    ]);
  },
);

/** Runs an installer as a build would, as root, with a folder that is too small. @returns what it printed. */
async function runInstaller(
  program: string,
  items: string[],
  tmpfs: Record<string, string>,
): Promise<string[]> {
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  const container = await docker.createContainer({
    Image: base.name,
    User: 'root',
    Cmd: ['node', `/opt/berth/image/${program}.mts`, '--', ...items],
    Tty: true, // one stream, without the engine's frames
    HostConfig: { Tmpfs: tmpfs },
  });
  try {
    await container.start();
    await container.wait();
    return (await container.logs({ stdout: true, stderr: true })).toString().split('\r\n');
  } finally {
    await container.remove({ force: true });
    close();
  }
}
