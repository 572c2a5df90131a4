import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { BuildEvent } from '../src/images/build-events.ts';
import { cancelled } from '../src/images/build-queue.ts';
import { type ImageRoom, type ImageRoomOptions, openImageRoom } from './fixtures/image-room.ts';
import { deriveBase } from './fixtures/own-images.ts';

const LIMIT = { timeout: 120_000 };
const UNTIL = { timeout: 60_000, interval: 20 };
const SMALL = '{ npm: ["is-number@7.0.0"] }';

/** Holds the engine's cache of the layer with npm, which all of these images stand on. */
let warm: ImageRoom;
let base: Awaited<ReturnType<typeof deriveBase>>;
beforeAll(async () => {
  base = await deriveBase();
  warm = await openImageRoom({ groups: { warm: '{ npm: ["is-even@1.0.0"] }' }, baseImage: base.name });
  await warm.images.build('warm', {});
}, LIMIT.timeout);
afterAll(async () => {
  await warm.close();
  await base.remove();
});

let rooms: ImageRoom[] = [];
async function open(options: ImageRoomOptions): Promise<ImageRoom> {
  const room = await openImageRoom({ baseImage: base.name, ...options });
  rooms.push(room);
  return room;
}
afterEach(async () => {
  for (const room of rooms.reverse()) await room.close();
  rooms = [];
});

/** Builds, and keeps what happened. */
async function build(room: ImageRoom, folder: string, afresh = false) {
  const events: BuildEvent[] = [];
  const outcome = await room.images.build(folder, { afresh, onEvent: (event) => void events.push(event) });
  const steps = events.flatMap((event) => (event.event === 'step' ? [event.text] : []));
  if (!outcome.build) throw new Error('it is the base image');
  return { ...outcome, build: outcome.build, events, steps };
}

describe('a declaration becomes an image', LIMIT, () => {
  test('with an apt and an npm package, both of use to the user agent, shared by the groups that declare the same', async () => {
    const groups = {
      one: '{ apt: [jq], npm: ["cowsay@1.6.0"] }',
      two: '{ npm: ["cowsay@1.6.0"], apt: [jq, jq] }',
    };
    const room = await open({ groups });
    const { build: made, built, steps } = await build(room, 'one');
    expect(built).toBe(true);
    expect(steps).toContain('install-apt jq');
    expect(steps).toContain('install-npm cowsay@1.6.0');
    expect(made.packages.npm).toMatchObject({ cowsay: '1.6.0', 'get-stdin': '8.0.0' });
    expect(made.packages.apt).toMatchObject({ jq: expect.stringMatching(/^1\./), git: expect.any(String) });

    const said = await room.runIn(made.image, [
      'sh',
      '-c',
      'whoami; jq -n 6*7; cowsay moo; ls -A /var/lib/apt/lists',
    ]);
    expect(said).toMatch(/^agent\n42\n/);
    expect(said).toContain('< moo >');
    expect(said).toMatch(/\|\|\s*$/); // nothing after the cow: the package lists are gone

    const second = await build(room, 'two');
    expect(second).toMatchObject({ built: false, events: [], build: { image: made.image } });
    for (const folder of ['one', 'two'])
      expect(await room.images.imageFor(room.group(folder))).toEqual({ image: made.image });
    expect(room.switched).toEqual(['one', 'two']);
    expect(readFileSync(join(room.dataDir, 'builds', made.hash, 'log'), 'utf8')).toContain('install-apt.mts');
    const inspected = await room.docker.getImage(`berth-group:${made.hash}`).inspect();
    expect(inspected).toMatchObject({
      Id: made.image,
      Config: {
        User: 'agent',
        Entrypoint: ['/usr/bin/tini', '--', '/bin/sh', '/opt/berth/entrypoint.sh'],
        Cmd: ['node', '/opt/berth/runner/main.cjs'],
        Labels: {
          'berth.contract': '1',
          'berth.image-recipe': '1',
          'berth.declaration': '{"apt":["jq"],"npm":["cowsay@1.6.0"],"scripts":[]}',
        },
      },
    });
  });

  test('two who ask at once are given one build', async () => {
    const room = await open({ groups: { one: SMALL, two: SMALL } });
    for (const [afresh, builds] of [
      [false, 1],
      [true, 2],
    ] as const) {
      const both = await Promise.all([build(room, 'one', afresh), build(room, 'two', afresh)]);
      expect(both[0].build.image).toBe(both[1].build.image);
      expect(room.reads.builds()).toHaveLength(builds);
    }
  });

  test('install scripts run only where they are allowed; otherwise the line to add is named', async () => {
    const room = await open({
      groups: {
        silent: '{ npm: ["d@1.0.1"] }',
        allowed: '{ npm: ["d@1.0.1"], scripts: [es5-ext] }',
        mistaken: '{ npm: ["is-number@7.0.0"], scripts: [es5-ext] }',
      },
    });
    await expect(build(room, 'silent')).rejects.toMatchObject({
      code: 'E_IMAGE_SCRIPTS',
      message: expect.stringContaining('scripts: [es5-ext]'),
    });
    const { events } = await build(room, 'allowed');
    expect(events).toContainEqual({ event: 'line', text: 'rebuilt dependencies successfully' });
    await expect(build(room, 'mistaken')).rejects.toMatchObject({ code: 'E_IMAGE_SCRIPTS' });
  });

  test('what was declared when a build began, and is no longer when it ends, does not take over', async () => {
    const room = await open({ groups: { one: SMALL } });
    const { build: small } = await build(room, 'one');
    room.declare('one', '{ npm: ["is-odd@3.0.1"] }');
    const asked = room.images.build('one', {});
    room.declare('one', SMALL);
    expect(await asked).toMatchObject({ build: { image: small.image } });
    expect(await room.images.imageFor(room.group('one'))).toEqual({ image: small.image });
    expect(room.switched).toEqual(['one']);
  });

  test('nor does its failure count against what is declared now', async () => {
    const room = await open({ groups: { one: SMALL } });
    const { build: small } = await build(room, 'one');
    room.declare('one', '{ apt: [no-such-package-at-all] }');
    const asked = room.images.build('one', {});
    room.declare('one', SMALL);
    expect(await asked).toMatchObject({ build: { image: small.image } });
    expect(room.images.standing('one').problem).toBeUndefined();
  });

  test('nothing declared is the base image, without a question to the builder', async () => {
    const room = await open({ groups: { plain: '{}' } });
    expect(await room.images.build('plain', {})).toEqual({ build: undefined, built: false });
    expect(await room.images.imageFor(room.group('plain'))).toEqual({ image: room.baseImage });
    expect(room.reads.groupImages()).toEqual([]);
  });

  test('another data folder takes a proven image as it is', async () => {
    const first = await open({ groups: { one: SMALL } });
    const made = await build(first, 'one');
    const second = await open({ groups: { one: SMALL } });
    const taken = await build(second, 'one');
    expect(taken).toMatchObject({ built: false, steps: [], build: { image: made.build.image } });
    expect(taken.build.packages).toEqual(made.build.packages);
  });
});

describe('what goes wrong leaves the last good image in force', LIMIT, () => {
  test('a failing build says so, and the next good one takes over', async () => {
    const room = await open({ groups: { one: SMALL } });
    const { build: good } = await build(room, 'one');
    room.declare('one', '{ apt: [no-such-package-at-all] }');
    await vi.waitUntil(() => room.images.standing('one').problem, UNTIL);
    expect(room.images.standing('one').problem).toMatchObject({
      code: 'E_IMAGE_PACKAGE',
      reason: 'there is no Debian package no-such-package-at-all',
    });
    expect(room.logged).toContainEqual({
      level: 'warn',
      message: 'no new image: there is no Debian package no-such-package-at-all',
      fields: { group: 'one', code: 'E_IMAGE_PACKAGE', inForce: good.image, againInMs: undefined },
    });
    const choice = await room.images.imageFor(room.group('one'));
    expect(choice.image).toBe(good.image);
    expect(choice.notice).toContain(
      'could not be installed: there is no Debian package no-such-package-at-all',
    );
    expect(room.reads.builds()).toContainEqual(expect.objectContaining({ code: 'E_IMAGE_PACKAGE' }));

    room.declare('one', SMALL);
    await vi.waitUntil(() => !room.images.standing('one').problem, UNTIL);
    expect(await room.images.imageFor(room.group('one'))).toEqual({ image: good.image });
  });

  test('a declaration that is refused is told, and builds nothing', async () => {
    const room = await open({ groups: { one: '{ apt: ["curl; rm -rf /"] }' } });
    room.images.start();
    expect(room.images.standing('one').problem).toMatchObject({ code: 'E_IMAGE_SPEC' });
    const choice = await room.images.imageFor(room.group('one'));
    expect(choice.image).toBe(room.baseImage);
    expect(choice.notice).toContain('could not be installed');
    await expect(room.images.build('one', {})).rejects.toMatchObject({ code: 'E_IMAGE_SPEC' });
  });

  test('an image that was pruned: the base at once with a word to the agent, and the old packages soon after', async () => {
    const room = await open({ groups: { one: SMALL, two: SMALL } });
    const { build: first } = await build(room, 'one');
    await build(room, 'two');
    await room.builder.remove(`berth-group:${first.hash}`);
    expect(await room.builder.inspect(first.image)).toBeUndefined();

    const asked = performance.now();
    const choice = await room.images.imageGone(room.group('one'), first.image);
    expect(performance.now() - asked).toBeLessThan(1000);
    expect(choice.image).toBe(room.baseImage);
    expect(choice.notice).toBe(
      'Packages of this place are missing: is-number@7.0.0 are being installed now. They will be there when you are started anew, soon after.',
    );
    await vi.waitUntil(() => room.switched.length === 4, UNTIL);
    expect(room.switched.slice(2).sort()).toEqual(['one', 'two']);
    const again = await room.images.imageFor(room.group('two'));
    expect(again.notice).toBeUndefined();
    expect(await room.builder.inspect(again.image)).toBeDefined();
    // The one that is gone is nothing that anybody could go back to.
    await expect(room.images.rollback('one')).rejects.toMatchObject({ code: 'E_IMAGE_PREVIOUS' });
  });

  test('a new base image makes new images of all groups', async () => {
    const baseImage = 'berth-test-base:moving';
    const room = await open({ groups: { one: SMALL, two: SMALL }, baseImage, baseLookMs: 200 });
    await room.docker.getImage(base.name).tag({ repo: 'berth-test-base', tag: 'moving' });
    try {
      room.images.start();
      await vi.waitUntil(() => room.switched.length === 2, UNTIL);
      const before = await room.images.imageFor(room.group('one'));
      const container = await room.docker.createContainer({ Image: baseImage });
      await container.commit({ repo: 'berth-test-base', tag: 'moving', changes: 'ENV NEWER=1' });
      await container.remove();
      await vi.waitUntil(() => room.switched.length === 4, UNTIL);
      const after = await room.images.imageFor(room.group('one'));
      expect(after.image).not.toBe(before.image);
      expect(await room.images.imageFor(room.group('two'))).toEqual(after);
      expect(await room.runIn(after.image, ['printenv', 'NEWER'])).toBe('1');
    } finally {
      await room.builder.remove(baseImage);
    }
  });

  test('no base image: it is built, for whoever waits for it', async () => {
    const baseImage = 'berth-test-base:missing';
    const room = await open({ groups: { plain: '{}' }, baseImage });
    expect(await room.images.imageFor(room.group('plain'))).toEqual({ image: baseImage });
    expect(await room.builder.inspect(baseImage)).toMatchObject({ labels: { 'berth.image': baseImage } });
    await room.builder.remove(baseImage);
    expect(await room.images.imageGone(room.group('plain'), baseImage)).toEqual({ image: baseImage });
    expect(await room.builder.inspect(baseImage)).toBeDefined();

    // Whoever removed a group's image may have removed the base as well.
    await room.builder.remove(baseImage);
    expect(await room.images.imageGone(room.group('plain'), 'berth-group:gone')).toEqual({
      image: baseImage,
    });
    expect(await room.builder.inspect(baseImage)).toBeDefined();
    await room.builder.remove(baseImage);
  });
});

describe('back and forth', LIMIT, () => {
  test('a rollback goes to the image before and holds, until another declaration or an operator builds', async () => {
    const room = await open({ groups: { one: SMALL } });
    await expect(room.images.rollback('one')).rejects.toMatchObject({ code: 'E_IMAGE_PREVIOUS' });
    const { build: first } = await build(room, 'one');
    room.declare('one', '{ npm: ["is-odd@3.0.1"] }');
    const { build: second } = await build(room, 'one');
    expect(await room.images.rollback('one')).toMatchObject({ image: first.image });
    room.images.start();
    expect(await room.images.imageFor(room.group('one'))).toEqual({ image: first.image });
    expect(room.images.pending()).toEqual([]);
    expect(room.switched).toHaveLength(3); // no second switch by the declaration's own build

    await build(room, 'one');
    expect(await room.images.imageFor(room.group('one'))).toEqual({ image: second.image });
    expect(await room.images.rollback('one')).toMatchObject({ image: first.image });
    room.declare('one', '{ npm: ["is-odd@3.0.0"] }');
    await vi.waitUntil(() => room.switched.length === 6, UNTIL);
    expect(room.images.standing('one').current?.declaration.npm).toEqual(['is-odd@3.0.0']);
  });

  test('an image that somebody went back to, and that was removed, is made again and holds', async () => {
    const room = await open({ groups: { one: SMALL } });
    const { build: first } = await build(room, 'one');
    room.declare('one', '{ npm: ["is-odd@3.0.1"] }');
    await build(room, 'one');
    await room.images.rollback('one');
    await room.builder.remove(`berth-group:${first.hash}`);
    const { notice } = await room.images.imageGone(room.group('one'), first.image);
    expect(notice).toContain('is-number@7.0.0 are being installed now');
    await vi.waitUntil(() => room.switched.length === 4, UNTIL);
    const again = await room.images.imageFor(room.group('one'));
    expect(again.notice).toBeUndefined();
    expect((await room.builder.inspect(again.image))?.labels['berth.declaration']).toContain('is-number');
    expect(room.reads.groupImages()).toMatchObject([{ held: expect.stringContaining('is-odd') }]);
  });

  test('afresh is another image of the same name; the one before keeps a name of its own', async () => {
    const room = await open({ groups: { one: SMALL } });
    const { build: first } = await build(room, 'one');
    const { build: second, built } = await build(room, 'one', true);
    expect(built).toBe(true);
    expect(second.image).not.toBe(first.image);
    expect((await room.builder.inspect(`berth-group:${first.hash}`))?.id).toBe(second.image);
    expect(await room.images.rollback('one')).toMatchObject({ image: first.image });
    expect((await room.builder.inspect(`berth-group:${first.hash}-${first.image.slice(7, 19)}`))?.id).toBe(
      first.image,
    );
  });

  test('a prune removes what nobody uses and says why it keeps the rest', async () => {
    const room = await open({ groups: { one: SMALL, gone: '{ npm: ["is-odd@3.0.1"] }' } });
    const { build: kept } = await build(room, 'one');
    const { build: unused } = await build(room, 'gone');
    room.remove('gone');
    const container = await room.docker.createContainer({
      Image: unused.image,
      name: 'berth-test-holds-image',
    });
    const first = await room.images.prune(false);
    await container.remove();
    const names = [kept, unused].map(({ hash }) => `berth-group:${hash}`);
    expect(first.removed).toEqual([]);
    expect(first.kept).toContainEqual({ image: names[0], why: 'a group uses it or can go back to it' });
    expect(first.kept).toContainEqual({ image: names[1], why: 'a container uses it' });

    const second = await room.images.prune(false);
    expect(second.removed).toEqual([names[1]]);
    expect(second.freed).toBeGreaterThan(1000);
    expect(await room.builder.inspect(unused.image)).toBeUndefined();
    expect(await room.builder.inspect(kept.image)).toBeDefined();
    expect(room.reads.builds().map(({ hash }) => hash)).toEqual([kept.hash]);
    expect(room.reads.groupImages().map(({ folder }) => folder)).toEqual(['one']);
  });
});

describe('a build that is ended', LIMIT, () => {
  test('by whoever asked for it leaves neither image nor container behind', async () => {
    const room = await open({ groups: { one: '{ npm: ["is-odd@3.0.1"] }' } });
    const leave = new AbortController();
    const asked = room.images.build('one', {
      signal: leave.signal,
      onEvent(event) {
        if (event.event === 'step' && event.text.startsWith('install-npm')) leave.abort(cancelled('enough'));
      },
    });
    await expect(asked).rejects.toMatchObject({ code: 'E_IMAGE_CANCELLED' });
    await room.images.close();
    await vi.waitUntil(async () => (await buildContainers(room)).length === 0, UNTIL);
    expect(room.reads.builds()).toEqual([]);
    expect(await room.builder.inspect(`berth-candidate:${room.install}`)).toBeUndefined();
  });

  test('by its time limit says which', async () => {
    const room = await open({ groups: { one: SMALL }, limitMs: 300 });
    await expect(room.images.build('one', {})).rejects.toMatchObject({
      code: 'E_IMAGE_BUILD',
      message: 'the build took longer than 0.3 s, which is the limit',
    });
    await vi.waitUntil(async () => (await buildContainers(room)).length === 0, UNTIL);
  });

  test('by another declaration: several saves in a second are one build, of the last', async () => {
    const room = await open({ groups: { one: '{}' } });
    for (const version of ['3.0.0', '3.0.1', '2.0.0']) room.declare('one', `{ npm: ["is-odd@${version}"] }`);
    room.declare('one', SMALL);
    room.declare('one', SMALL);
    await vi.waitUntil(() => room.switched.length > 0, UNTIL);
    expect(room.reads.builds().map(({ declaration }) => declaration.npm)).toEqual([['is-number@7.0.0']]);
    expect(existsSync(join(room.dataDir, 'builds'))).toBe(true);
  });
});

/** Containers in which the engine runs a step of a build of this room's. */
async function buildContainers(room: ImageRoom): Promise<string[]> {
  const all = await room.docker.listContainers({ all: true });
  return all.filter(({ Command }) => Command.includes('install-npm.mts')).map(({ Command }) => Command);
}
