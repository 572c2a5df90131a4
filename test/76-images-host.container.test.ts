import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { runBerth } from './fixtures/berth-command.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type HostRoom, openHostRoom, type SessionBody } from './fixtures/host-room.ts';
import { deriveBase, ownImages } from './fixtures/own-images.ts';

const LIMIT = { timeout: 180_000 };
const BUILD_MS = 120_000;
const bot = readFileSync(new URL('./fixtures/bots/packages.mjs', import.meta.url), 'utf8');

let env: Record<string, string>;
let base: Awaited<ReturnType<typeof deriveBase>>;
beforeAll(async () => {
  base = await deriveBase();
  env = { BERTH_BASE_IMAGE: base.name };
});
afterAll(() => base.remove());

function group(image: string): { yaml: string; workspace: Record<string, string> } {
  const agent = 'agent: { provider: command, command: [node, /group/bot.mjs] }';
  return { yaml: `name: Packages\n${agent}\nimage: ${image}\n`, workspace: { 'bot.mjs': bot } };
}

async function open(image: string): Promise<HostRoom> {
  const room = await openHostRoom({ groups: { one: group(image) }, env });
  ownImages(room);
  return room;
}

/** The command of the operator beside that host. */
const berth = (room: HostRoom, ...words: string[]) =>
  runBerth(words, {
    env: { BERTH_DATA_DIR: room.dataDir, BERTH_GROUPS_DIR: room.groupsDir, ...env },
    limitMs: BUILD_MS,
  });

/** Waits until the group's containers start from an image of their own of that declaration. */
async function inForce(room: HostRoom, declared: string): Promise<string> {
  let id = '';
  await waitUntil(`an image of ${declared}`, BUILD_MS, async () => {
    const { stdout } = await berth(room, 'images', '--json');
    const rows = JSON.parse(stdout) as { state: string; build?: { image: string; declaration: object } }[];
    const row = rows.find(({ state }) => state === 'current');
    id = row?.build?.image ?? '';
    return JSON.stringify(row?.build?.declaration ?? '').includes(declared);
  });
  return id;
}

const sessions = async (room: HostRoom) =>
  (await room.request<{ sessions: (SessionBody & { imageProblem: object | null })[] }>('GET', '/v1/sessions'))
    .body.sessions;

const text = async (room: HostRoom, words: string, chat = 'a') =>
  (await room.ask('one', chat, words, 60_000)).text;

describe('a host with a group that declares packages', LIMIT, () => {
  test('builds by itself, and both packages are of use in a turn', async () => {
    const room = await open('{ apt: [jq], npm: ["cowsay@1.6.0"] }');
    const early = await text(room, 'notices', 'early'); // the build goes on: nobody waits for it
    expect(early).toContain('Packages of this place are missing: jq, cowsay@1.6.0 are being installed now.');
    await inForce(room, 'cowsay@1.6.0');
    expect(await text(room, 'jq -n 6*7')).toBe('42');
    expect(await text(room, 'cowsay moo')).toContain('< moo >');
    expect(await text(room, 'notices')).toBe('[]');
  });

  test('an edit is built while the conversation goes on, and taken at the next wake; idle containers are replaced', async () => {
    const room = await open('{ npm: ["is-odd@3.0.1"] }');
    await inForce(room, 'is-odd');
    expect(await text(room, 'ls /usr/local/lib/node_modules')).toContain('is-odd');
    const [{ id = '', epoch = 0 } = {}] = await sessions(room);
    const { yaml, workspace } = group('{ npm: ["is-even@1.0.0"] }');
    await room.writeGroup('one', yaml, workspace);
    expect(await text(room, 'node --version')).toMatch(/^v/);
    await inForce(room, 'is-even');
    // Nobody has idled for the half hour after which a container is stopped anyway.
    await room.waitForState(id, 'asleep');
    expect(await text(room, 'ls /usr/local/lib/node_modules')).toContain('is-even');
    expect((await room.session(id)).epoch).toBe(epoch + 1);
    expect(await text(room, 'ls /usr/local/lib/node_modules', 'b')).toContain('is-even');
  });

  test('a failed build leaves the image in force, and says so in the log and to the operator', async () => {
    const room = await open('{ npm: ["is-odd@3.0.1"] }');
    const image = await inForce(room, 'is-odd');
    const { yaml, workspace } = group('{ apt: [no-such-package-at-all] }');
    await room.writeGroup('one', yaml, workspace);
    await waitUntil('the log to say so', BUILD_MS, () =>
      room.log.some(({ code, group: folder }) => code === 'E_IMAGE_PACKAGE' && folder === 'one'),
    );
    expect(await text(room, 'ls /usr/local/lib/node_modules', 'b')).toContain('is-odd');
    expect(await sessions(room)).toMatchObject([
      {
        imageProblem: {
          code: 'E_IMAGE_PACKAGE',
          reason: expect.stringContaining('there is no Debian package no-such-package-at-all'),
          at: expect.any(Number),
        },
      },
    ]);
    const listed = await berth(room, 'images');
    expect(listed.stdout).toContain(`one\tcurrent\t`);
    expect(listed.stdout).toContain(image.slice(7, 19));
    expect(listed.stdout).toMatch(
      /one\tfailed\t.*E_IMAGE_PACKAGE: there is no Debian package no-such-package-at-all/,
    );
    const asked = await berth(room, 'build-image', 'one');
    expect(asked.code).toBe(1);
    expect(asked.stderr).toMatch(
      /^berth: there is no Debian package no-such-package-at-all\. .*\[E_IMAGE_PACKAGE\]\n$/,
    );
  });

  test('an image that was removed: the answer comes from the base, with a word about it, and the packages come back', async () => {
    const room = await open('{ npm: ["is-odd@3.0.1"] }');
    const image = await inForce(room, 'is-odd');
    const { docker, close } = connectDocker(process.env.DOCKER_HOST);
    for (const tag of (await docker.getImage(image).inspect()).RepoTags) await docker.getImage(tag).remove();
    close();
    expect(await text(room, 'notices')).toContain('is-odd@3.0.1 are being installed now');
    await waitUntil('the image to be back', BUILD_MS, async () => (await inForce(room, 'is-odd')) !== image);
    expect(await text(room, 'ls /usr/local/lib/node_modules', 'b')).toContain('is-odd');
  });

  test('the operator builds by the running host: steps, versions, and the same again at once', async () => {
    const room = await open('{}');
    const { yaml, workspace } = group('{ npm: ["is-odd@3.0.1"] }');
    await room.writeGroup('one', yaml, workspace);
    const first = await berth(room, 'build-image', 'one');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/one: berth-group:[0-9a-f]{20} [0-9a-f]{12} \(\d+ MB\)/);
    expect(first.stdout).toContain('one:   npm is-odd 3.0.1');
    const second = await berth(room, 'build-image', '--all', '--json');
    expect(JSON.parse(second.stdout)).toMatchObject({ event: 'done', group: 'one', built: false });
    const back = await berth(room, 'images', '--rollback', 'one');
    expect(back.stderr).toContain('[E_IMAGE_PREVIOUS]');
    const pruned = await berth(room, 'images', 'prune');
    expect(pruned.stdout).toMatch(/kept {4}berth-group:\S+: a group uses it or can go back to it\n/);
    expect(pruned.stdout).toMatch(/0 images removed, [\d.]+ MB freed\n$/);
  });

  test('a host that is killed in the middle goes on at its next start', async () => {
    const room = await open('{}');
    const { yaml, workspace } = group('{ npm: ["is-odd@2.0.0"] }');
    await room.writeGroup('one', yaml, workspace);
    await waitUntil('the build to begin', 30_000, async () =>
      (await berth(room, 'images')).stdout.includes('building'),
    );
    await room.kill('SIGKILL');
    expect((await berth(room, 'images')).stdout).not.toContain('current');
    await room.start();
    await inForce(room, 'is-odd');
    expect(await text(room, 'ls /usr/local/lib/node_modules')).toContain('is-odd');
  });
});
