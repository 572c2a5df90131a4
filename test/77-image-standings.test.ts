import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BerthError, type ErrorCode } from '../src/errors.ts';
import type { Group } from '../src/groups/group.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { cancelled } from '../src/images/build-queue.ts';
import { chooseImage, type Standing, usableBuild } from '../src/images/choose-image.ts';
import { GroupStandings } from '../src/images/group-standings.ts';
import { imageHash, imageSpec } from '../src/images/image-spec.ts';
import { createKeeper } from '../src/images/keep-current.ts';
import { listImages } from '../src/images/list-images.ts';
import type { ImageSource } from '../src/images/obtain-image.ts';
import { type BuildReads, createBuildReads } from '../src/ledger/build-reads.ts';
import type { ProvenBuild } from '../src/ledger/builds.ts';
import { openLedgerForReading } from '../src/ledger/open-database.ts';
import { startWriter, type Writer } from '../src/writer/writer.ts';
import { silent } from './fixtures/engine-room.ts';

const spec = (...npm: string[]) => imageSpec({ apt: [], npm, scripts: [] });
const BASE = 'berth-base:latest';

/** A proven image of those packages. */
function image(name: string, ...npm: string[]): Omit<ProvenBuild, 'id'> {
  const declaration = spec(...npm);
  const times = { startedAt: 1, endedAt: 2 };
  const packages = { apt: { jq: '1.6' }, npm: {} };
  return {
    hash: imageHash('base', declaration),
    base: 'base',
    contract: 1,
    declaration,
    ...times,
    image: name,
    size: 7,
    packages,
  };
}

describe('the choice', () => {
  const current = { ...image('sha256:old', 'old'), id: 1 };
  const nothing: Standing = { current: undefined, gone: false, pending: false, problem: undefined };
  const problem = { code: 'E_IMAGE_PACKAGE', reason: 'there is no npm package new', at: 1 };

  test.each<[string, Standing, string | undefined, string]>([
    ['old', { ...nothing, current }, undefined, 'sha256:old'],
    ['old', { ...nothing, current, pending: true }, undefined, 'sha256:old'],
    ['old', { ...nothing, current, problem }, undefined, 'sha256:old'],
    [
      'new',
      { ...nothing, current, pending: true },
      'Other packages were declared for this place: new are being installed now. Until then this place has old.',
      'sha256:old',
    ],
    [
      'new',
      { ...nothing, current, problem },
      'Other packages were declared for this place: new could not be installed: there is no npm package new. Until then this place has old.',
      'sha256:old',
    ],
    ['new', { ...nothing, current }, undefined, 'sha256:old'], // the operator went back
    [
      'old',
      { ...nothing, current, gone: true, pending: true },
      'Packages of this place are missing: old are being installed now. They will be there when you are started anew, soon after.',
      BASE,
    ],
    [
      'old',
      { ...nothing, current: { ...current, contract: 0 } },
      'Packages of this place are missing: old are not installed.',
      BASE,
    ],
    [
      'new',
      { ...nothing, problem },
      'Packages of this place are missing: new could not be installed: there is no npm package new.',
      BASE,
    ],
  ])('%s, %o', (wanted, standing, notice, from) => {
    const choice = chooseImage(spec(wanted), standing, BASE);
    expect(choice).toEqual(notice === undefined ? { image: from } : { image: from, notice });
  });

  test.each<[string, Standing, boolean]>([
    ['in force', { ...nothing, current }, true],
    ['in force, another being made', { ...nothing, current, pending: true }, true],
    ['gone', { ...nothing, current, gone: true }, false],
    ['of another contract', { ...nothing, current: { ...current, contract: 0 } }, false],
    ['none', nothing, false],
  ])('an image of the group that is %s: usable, or none', (_, standing, usable) => {
    expect(usableBuild(standing)).toBe(usable ? current : undefined);
  });

  test('nothing declared is the base image, without a word', () => {
    expect(chooseImage(spec(), nothing, BASE)).toEqual({ image: BASE });
    expect(chooseImage(spec(), { ...nothing, current, gone: true }, BASE)).toEqual({ image: BASE });
  });

  test('a declaration that cannot be read leaves what is in force; long ones are cut', () => {
    expect(chooseImage(undefined, { ...nothing, current, problem }, BASE).image).toBe('sha256:old');
    const many = spec(...Array.from({ length: 30 }, (_, index) => `package-${index}`));
    expect(chooseImage(many, nothing, BASE).notice).toContain('and 18 more are not installed');
  });
});

let dataDir: string;
let writer: Writer;
let reads: BuildReads;
let switched: string[];
let standings: GroupStandings;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'berth-standings-'));
  const path = join(dataDir, 'host.db');
  writer = await startWriter({
    path,
    onStuck: () => undefined,
    onFull: () => undefined,
    onDeath: () => undefined,
  });
  reads = createBuildReads(openLedgerForReading(path));
  switched = [];
  standings = openStandings();
});
afterEach(async () => {
  reads.close();
  await writer.close();
  rmSync(dataDir, { recursive: true });
});

const openStandings = () =>
  new GroupStandings({
    writer,
    reads,
    clock: systemClock,
    onSwitched: (folder) => void switched.push(folder),
  });
const record = async (build: Omit<ProvenBuild, 'id'>): Promise<ProvenBuild> => ({
  ...build,
  id: await writer.run('recordBuild', build),
});
const there = async () => true;

describe('switching', () => {
  test('is durable, told once, and keeps the one before', async () => {
    const [first, second] = [await record(image('sha256:1', 'a')), await record(image('sha256:2', 'b'))];
    await standings.use('one', first);
    await standings.use('one', first);
    await standings.use('one', second);
    expect(switched).toEqual(['one', 'one']);
    expect(openStandings().of('one')).toMatchObject({ current: second, previous: first.id, held: null });
    expect(await standings.goBack('one', 'held', there)).toEqual(first);
    expect(openStandings().of('one')).toMatchObject({ current: first, previous: second.id, held: 'held' });
  });

  test('two switches to the same image at once are one', async () => {
    const build = await record(image('sha256:1', 'a'));
    await Promise.all([standings.use('one', build), standings.use('one', build)]);
    expect(switched).toEqual(['one']);
  });

  test('to the base image and back', async () => {
    const build = await record(image('sha256:1', 'a'));
    await standings.use('one', build);
    await standings.use('one', undefined);
    expect(openStandings().of('one')).toMatchObject({ current: undefined, previous: build.id });
    expect(await standings.goBack('one', 'held', there)).toEqual(build);
  });

  test('from an image that is gone keeps nobody from going back to the one before it', async () => {
    const [first, second] = [await record(image('sha256:1', 'a')), await record(image('sha256:2', 'b'))];
    await standings.use('one', first);
    await standings.use('one', second);
    standings.markGone('sha256:2');
    expect(standings.of('one').gone).toBe(true);
    const again = await record({ ...second, image: 'sha256:3' });
    await standings.use('one', again);
    expect(standings.of('one')).toMatchObject({ current: again, previous: first.id, gone: false });
  });

  test('back to an image that was removed, or to none, is refused; nothing is ended for it', async () => {
    const ended: string[] = [];
    const going = () => void ended.push('one');
    const none = standings.goBack('one', '', there, going);
    await expect(none).rejects.toMatchObject({ code: 'E_IMAGE_PREVIOUS' });
    await standings.use('one', await record(image('sha256:1', 'a')));
    await standings.use('one', await record(image('sha256:2', 'b')));
    await expect(standings.goBack('one', '', async () => false, going)).rejects.toMatchObject({
      code: 'E_IMAGE_PREVIOUS',
      message: expect.stringContaining('was removed'),
    });
    expect(ended).toEqual([]);
    await standings.goBack('one', '', there, going);
    expect(ended).toEqual(['one']);
  });
});

describe('the ledger', () => {
  test('forgets failures once the hash is good, and groups and builds that are gone', async () => {
    const good = image('sha256:1', 'a');
    const { image: _, size: __, packages: ___, ...subject } = good;
    for (const reason of ['first', 'second'])
      await writer.run('recordFailedBuild', { ...subject, code: 'E_IMAGE_BUILD', reason });
    expect(reads.builds()).toMatchObject([{ code: 'E_IMAGE_BUILD', reason: 'second' }]);
    const build = await record(good);
    expect(reads.builds()).toEqual([build]);
    await standings.use('one', build);
    await writer.run('forgetImages', { folders: [], builds: [build.id] });
    expect(reads.builds()).toEqual([build]); // a group has it
    await writer.run('forgetImages', { folders: ['one'], builds: [build.id] });
    expect([reads.builds(), reads.groupImages()]).toEqual([[], []]);
  });

  test('lists of each group what is in force, what it can go back to, what failed, what is being built', async () => {
    const [first, second] = [await record(image('sha256:1', 'a')), await record(image('sha256:2', 'b'))];
    const { image: _, size: __, packages: ___, ...failed } = image('', 'c');
    await writer.run('recordFailedBuild', { ...failed, code: 'E_IMAGE_PACKAGE', reason: 'no c' });
    await standings.use('one', first);
    await standings.use('one', second);
    await standings.use('two', first);
    const groups = [group('one', 'c'), group('three', 'b')];
    const rows = () => listImages(reads, groups, { pending: ['one'], problems: {} });
    const states = () => rows().map(({ group: folder, state, build }) => [folder, state, build?.id]);
    expect(states()).toEqual([
      ['one', 'building', undefined],
      ['one', 'current', second.id],
      ['one', 'previous', first.id],
      ['one', 'failed', 3],
      ['two', 'current', first.id],
    ]);
    await standings.goBack('one', 'held', there);
    expect(states()[1]).toEqual(['one', 'held', first.id]);
  });
});

test('a group for which nothing could be built at all is listed with the reason, beside a build that failed', async () => {
  const { image: _, size: __, packages: ___, ...failed } = image('', 'c');
  await writer.run('recordFailedBuild', { ...failed, code: 'E_IMAGE_PACKAGE', reason: 'no c' });
  const problem = { code: 'E_IMAGE_BASE', reason: 'the base image is of another version' };
  const groups = [group('asks', 'b'), group('failed', 'c'), group('refused', '../x'), group('well', 'd')];
  const rows = listImages(reads, groups, { pending: [], problems: { asks: problem, failed: problem } });
  expect(rows).toEqual([
    { group: 'asks', state: 'failed', build: undefined, problem },
    { group: 'failed', state: 'failed', build: expect.objectContaining({ code: 'E_IMAGE_PACKAGE' }) },
    { group: 'failed', state: 'failed', build: undefined, problem },
    {
      ...{ group: 'refused', state: 'failed', build: undefined },
      problem: { code: 'E_IMAGE_SPEC', reason: expect.stringContaining('a path, a file or an address') },
    },
  ]);
});

function group(folder: string, ...npm: string[]): Group {
  return parseGroup(`name: ${folder}\nimage: ${JSON.stringify({ npm })}\n`, { folder, file: 'group.yaml' });
}

describe('the keeper', () => {
  afterEach(() => void vi.useRealTimers());

  /** A source whose builds end when the test says so. */
  function openKeeper(declared: Map<string, Group>) {
    const orders: (Parameters<ImageSource['obtain']>[0] & PromiseWithResolvers<ProvenBuild>)[] = [];
    const source: ImageSource = {
      async obtain(order) {
        const open = { ...order, ...Promise.withResolvers<ProvenBuild>() };
        order.signal?.addEventListener('abort', () => open.reject(order.signal?.reason));
        orders.push(open);
        return { build: await open.promise, built: true };
      },
      close: async () => undefined,
    };
    const find = (folder: string) => {
      const found = declared.get(folder);
      if (!found) throw new BerthError('E_GROUP_UNKNOWN', 'no such group');
      return found;
    };
    return { keeper: createKeeper({ source, standings, log: silent, group: find }), orders };
  }

  test('builds what is declared and switches to it; the same look twice is one build', async () => {
    const declared = new Map([['one', group('one', 'a')]]);
    const { keeper, orders } = openKeeper(declared);
    keeper.look('one');
    keeper.look('one');
    expect(orders).toHaveLength(1);
    expect(standings.of('one').pending).toBe(true);
    const build = await record(image('sha256:1', 'a'));
    orders[0]?.resolve(build);
    await vi.waitUntil(() => switched.length > 0);
    await keeper.close();
    expect(standings.of('one')).toMatchObject({ current: build, pending: false });
  });

  test('another declaration ends the build; a save without a difference does not', async () => {
    const declared = new Map([['one', group('one', 'a')]]);
    const { keeper, orders } = openKeeper(declared);
    keeper.look('one');
    keeper.look('one', 10);
    expect(orders[0]?.signal?.aborted).toBe(false);
    declared.set('one', group('one', 'b'));
    keeper.look('one', 10);
    expect(orders[0]?.signal?.aborted).toBe(true);
    await vi.waitUntil(() => orders.length === 2);
    expect(orders[1]?.spec.npm).toEqual(['b']);
    await keeper.close();
    expect(standings.of('one')).toMatchObject({ pending: false, problem: undefined });
  });

  test('a group that is gone, or has nothing declared, is not built for', async () => {
    const declared = new Map([['one', group('one')]]);
    const { keeper, orders } = openKeeper(declared);
    await standings.use('one', await record(image('sha256:1', 'a')));
    keeper.look('one');
    keeper.look('nowhere');
    await vi.waitUntil(() => standings.of('one').current === undefined);
    expect(orders).toEqual([]);
    await keeper.close();
  });

  test.each<[ErrorCode, boolean]>([
    ['E_IMAGE_REGISTRY', true],
    ['E_ENGINE_UNREACHABLE', true],
    ['E_DISK_FULL', true],
    ['E_IMAGE_PACKAGE', false],
    ['E_IMAGE_SCRIPTS', false],
  ])('%s is kept with the group; tried again by itself: %s', async (code, again) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { keeper, orders } = openKeeper(new Map([['one', group('one', 'a')]]));
    for (const [tries, minutes] of [1, 5, 15, 60, 60].entries()) {
      if (tries === 0) keeper.look('one');
      orders.at(-1)?.reject(new BerthError(code, 'it went wrong'));
      await vi.advanceTimersByTimeAsync(0);
      expect(standings.of('one').problem).toMatchObject({ code, reason: 'it went wrong' });
      await vi.advanceTimersByTimeAsync(minutes * 60_000 - 1);
      expect(orders).toHaveLength(tries + 1);
      await vi.advanceTimersByTimeAsync(1);
      if (!again) {
        expect(orders).toHaveLength(1);
        break;
      }
      expect(orders).toHaveLength(tries + 2);
    }
    await keeper.close();
  });

  test('what the operator went back from is not built by itself', async () => {
    const { keeper, orders } = openKeeper(new Map([['one', group('one', 'b')]]));
    await standings.use('one', await record(image('sha256:1', 'a')));
    await standings.use('one', await record(image('sha256:2', 'b')));
    await standings.goBack('one', JSON.stringify([[], ['b'], []]), there);
    keeper.look('one');
    expect(orders).toEqual([]);
    await keeper.close();
  });

  test('what the operator went back to is made again when its image is gone, and holds', async () => {
    const { keeper, orders } = openKeeper(new Map([['one', group('one', 'b')]]));
    const [first, second] = [await record(image('sha256:1', 'a')), await record(image('sha256:2', 'b'))];
    await standings.use('one', first);
    await standings.use('one', second);
    const held = JSON.stringify([[], ['b'], []]);
    await standings.goBack('one', held, there);
    standings.markGone('sha256:1');
    keeper.look('one');
    keeper.look('one');
    expect(orders.map(({ spec: { npm } }) => npm)).toEqual([['a']]);
    const again = await record(image('sha256:3', 'a'));
    orders[0]?.resolve(again);
    await vi.waitUntil(() => switched.length === 4);
    keeper.look('one');
    expect(orders).toHaveLength(1);
    await keeper.close();
    expect(standings.of('one')).toMatchObject({ current: again, previous: second.id, held, gone: false });
  });

  test('unless somebody has built what is declared meanwhile', async () => {
    const { keeper, orders } = openKeeper(new Map([['one', group('one', 'b')]]));
    const [first, second] = [await record(image('sha256:1', 'a')), await record(image('sha256:2', 'b'))];
    await standings.use('one', first);
    await standings.use('one', second);
    await standings.goBack('one', JSON.stringify([[], ['b'], []]), there);
    standings.markGone('sha256:1');
    keeper.look('one');
    await standings.use('one', second);
    orders[0]?.resolve(await record(image('sha256:3', 'a')));
    await vi.waitUntil(() => !standings.of('one').pending);
    await keeper.close();
    expect(standings.of('one')).toMatchObject({ current: second, held: null });
  });

  test('one that is left is ended without being called a failure', async () => {
    const { keeper, orders } = openKeeper(new Map([['one', group('one', 'a')]]));
    keeper.look('one');
    keeper.leave('one');
    expect(orders[0]?.signal?.reason).toEqual(cancelled('another declaration has taken its place'));
    await keeper.close();
    expect(standings.of('one').problem).toBeUndefined();
  });
});
