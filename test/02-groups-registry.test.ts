import { mkdir, mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Group } from '../src/groups/group.ts';
import {
  type GroupRegistry,
  openGroupRegistry,
  type RegistryDependencies,
} from '../src/groups/group-registry.ts';
import { ReleaseStack } from '../src/release-stack.ts';

let groupsDir: string;
let releases: ReleaseStack;
let logged: { level: number; msg: string; code?: string; group?: string; lastGoodInForce?: boolean }[];
let changes: [folder: string, group: Group | undefined][];

beforeEach(async () => {
  releases = new ReleaseStack();
  groupsDir = await mkdtemp(join(tmpdir(), 'berth-groups-'));
  releases.add('folder', () => rm(groupsDir, { recursive: true }));
  [logged, changes] = [[], []];
});
afterEach(() => releases.releaseAll());

async function open(more: Partial<RegistryDependencies> = {}): Promise<GroupRegistry> {
  const log = pino({ base: null }, { write: (line: string) => logged.push(JSON.parse(line)) });
  const registry = await openGroupRegistry({ groupsDir, log, ...more });
  releases.add('registry', () => registry.close());
  registry.onChange((folder, group) => changes.push([folder, group]));
  return registry;
}

async function save(folder: string, text: string, file = 'group.yaml'): Promise<void> {
  await mkdir(join(groupsDir, folder), { recursive: true });
  await writeFile(join(groupsDir, folder, file), text);
}

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 10_000, interval: 10 });
const names = () => changes.map(([folder, group]) => [folder, group?.name]);

/** Resolves once a change that was made after all others is in force: whatever the others caused has happened then. */
async function marker(registry: GroupRegistry): Promise<void> {
  await save('marker', `name: M${Math.random()}`);
  await until(() => expect(changes.some(([folder]) => folder === 'marker')).toBe(true));
  expect(registry.get('marker').group.folder).toBe('marker');
  changes = changes.filter(([folder]) => folder !== 'marker');
}

test('all folders that hold a group.yaml are groups, by name', async () => {
  await save('b', 'name: B');
  await save('a.1', 'name: A');
  await save('none', 'x', 'README.md');
  await writeFile(join(groupsDir, 'README.md'), '');
  const registry = await open({ watch: false });
  expect(registry.list().map(({ folder, group, error }) => [folder, group?.name, error])).toEqual([
    ['a.1', 'A', undefined],
    ['b', 'B', undefined],
  ]);
  expect(registry.get('b')).toMatchObject({ folder: 'b', group: { name: 'B' } });
  expect(() => registry.get('none')).toThrow(
    expect.objectContaining({ code: 'E_GROUP_UNKNOWN', status: 404, message: 'there is no group "none"' }),
  );
  expect(() => registry.get('__proto__')).toThrow(expect.objectContaining({ code: 'E_GROUP_UNKNOWN' }));
  expect(changes).toEqual([]);
});

test('a broken one is told in the log, answers 409, and harms no other', async () => {
  await save('bad', 'name: B\nagnet: {}');
  await save('good', 'name: G');
  const registry = await open({ watch: false });
  const message = 'bad/group.yaml:2: agnet is not a known key (did you mean agent?)';
  expect(() => registry.get('bad')).toThrow(
    expect.objectContaining({ code: 'E_GROUP_CONFIG', status: 409, message }),
  );
  expect(registry.list()).toMatchObject([
    { folder: 'bad', error: { message } },
    { folder: 'good', group: { name: 'G' } },
  ]);
  expect(logged).toMatchObject([
    { code: 'E_GROUP_CONFIG', group: 'bad', lastGoodInForce: false, msg: message },
  ]);
  await registry.reload();
  expect(logged).toHaveLength(1);
});

test('without a groups folder there is no start', async () => {
  const missing = join(groupsDir, 'missing');
  await expect(open({ groupsDir: missing })).rejects.toMatchObject({
    code: 'E_CONFIG',
    message: expect.stringContaining(missing),
  });
});

test('a good edit is in force; the same content again is no change', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  await save('demo', 'name: Two');
  await until(() => expect(registry.get('demo').group.name).toBe('Two'));
  await save('demo', '# the same\nname: Two');
  await marker(registry);
  expect(names()).toEqual([['demo', 'Two']]);
});

test('a broken edit leaves the last good version in force, says so once, and can be repaired', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  await save('demo', 'name: Two\nadmin: perhaps');
  await until(() =>
    expect(registry.get('demo').error?.message).toContain('demo/group.yaml:2: admin is "perhaps"'),
  );
  expect(registry.get('demo').group.name).toBe('One');
  await save('demo', 'name: Two\nadmin: perhaps\n# saved again');
  await marker(registry);
  expect(changes).toEqual([]);
  expect(logged).toMatchObject([{ code: 'E_GROUP_CONFIG', group: 'demo', lastGoodInForce: true }]);
  await save('demo', 'name: Two\nadmin: true');
  await until(() =>
    expect(registry.get('demo')).toMatchObject({ group: { name: 'Two', admin: true }, error: undefined }),
  );
  expect(names()).toEqual([['demo', 'Two']]);
  expect(logged.at(-1)).toMatchObject({ group: 'demo', msg: 'group.yaml is valid again' });
});

test('one that was broken at the start is there once it is repaired', async () => {
  await save('demo', 'name: [');
  const registry = await open();
  await save('demo', 'name: One');
  await until(() => expect(names()).toEqual([['demo', 'One']]));
  expect(registry.get('demo').error).toBeUndefined();
});

test('a save by rename is one change', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  for (const name of ['Two', 'Three']) {
    await save('demo', `name: ${name}`, '.group.yaml.swp');
    await rename(join(groupsDir, 'demo', '.group.yaml.swp'), join(groupsDir, 'demo', 'group.yaml'));
    await until(() => expect(registry.get('demo').group.name).toBe(name));
  }
  await marker(registry);
  expect(names()).toEqual([
    ['demo', 'Two'],
    ['demo', 'Three'],
  ]);
});

test('an editor that moves the old file away first makes no group vanish', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  await rename(join(groupsDir, 'demo', 'group.yaml'), join(groupsDir, 'demo', 'group.yaml~'));
  await save('demo', 'name: Two');
  await until(() => expect(names()).toEqual([['demo', 'Two']]));
  await unlink(join(groupsDir, 'demo', 'group.yaml~'));
  await marker(registry);
  expect(names()).toEqual([['demo', 'Two']]);
});

test('five quick saves are one change', async () => {
  await save('demo', 'name: N0');
  const registry = await open();
  for (let count = 1; count <= 5; count++) await save('demo', `name: N${count}`);
  await until(() => expect(registry.get('demo').group.name).toBe('N5'));
  await marker(registry);
  expect(names()).toEqual([['demo', 'N5']]);
});

test('a folder appears, with its file at once or later, and vanishes', async () => {
  const registry = await open();
  await save('fresh', 'name: F');
  await mkdir(join(groupsDir, 'slow'));
  await until(() => expect(names()).toEqual([['fresh', 'F']]));
  await save('slow', 'name: S');
  await until(() => expect(registry.get('slow').group.name).toBe('S'));
  await rm(join(groupsDir, 'fresh'), { recursive: true });
  await until(() =>
    expect(() => registry.get('fresh')).toThrow(expect.objectContaining({ code: 'E_GROUP_UNKNOWN' })),
  );
  await unlink(join(groupsDir, 'slow', 'group.yaml'));
  await until(() => expect(registry.list()).toEqual([]));
  expect(names()).toEqual([
    ['fresh', 'F'],
    ['slow', 'S'],
    ['fresh', undefined],
    ['slow', undefined],
  ]);
  await save('fresh', 'name: F');
  await until(() => expect(names().at(-1)).toEqual(['fresh', 'F']));
});

test('a folder that is renamed goes and comes', async () => {
  await save('old', 'name: O');
  const registry = await open();
  await rename(join(groupsDir, 'old'), join(groupsDir, 'new'));
  await until(() => expect(registry.list().map(({ folder }) => folder)).toEqual(['new']));
  await save('new', 'name: P');
  await until(() => expect(registry.get('new').group.name).toBe('P'));
});

test('instructions that appear, change and vanish are changes of the group', async () => {
  await save('demo', 'name: One');
  await open();
  for (const [count, text] of ['be brief', 'be long'].entries()) {
    await save('demo', text, 'AGENTS.md');
    await until(() => expect(changes).toHaveLength(count + 1));
  }
  await unlink(join(groupsDir, 'demo', 'AGENTS.md'));
  await until(() => expect(changes).toHaveLength(3));
  expect(names()).toEqual(Array(3).fill(['demo', 'One']));
});

test('a listener that throws keeps no other from hearing, and one that is released hears no more', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  const release = registry.onChange(() => {
    throw new Error('a listener of no good');
  });
  const heard: string[] = [];
  registry.onChange((folder) => heard.push(folder));
  await save('demo', 'name: Two');
  await until(() => expect(heard).toEqual(['demo']));
  expect(logged).toMatchObject([{ code: 'E_INTERNAL', msg: 'a listener of no good' }]);
  release();
  await save('demo', 'name: Three');
  await until(() => expect(heard).toEqual(['demo', 'demo']));
  expect(logged).toHaveLength(1);
});

test('when the groups folder itself goes, the groups stay in force', async () => {
  await save('demo', 'name: One');
  const registry = await open();
  await rename(groupsDir, `${groupsDir}-away`);
  await until(() => expect(logged).toMatchObject([{ code: 'E_CONFIG' }]));
  expect(registry.get('demo').group.name).toBe('One');
  await rename(`${groupsDir}-away`, groupsDir);
  await registry.reload();
  expect(registry.get('demo').group.name).toBe('One');
  expect(changes).toEqual([]);
});

test('reload resolves once everything saved before it is in force', async () => {
  const registry = await open({ watch: false });
  for (let count = 0; count < 20; count++) {
    const under = registry.reload();
    await save('demo', `name: N${count}`);
    await Promise.all([under, registry.reload()]);
    expect(registry.get('demo').group.name).toBe(`N${count}`);
  }
});
