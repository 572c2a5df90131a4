import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadGroups } from '../src/groups/load-groups.ts';

let groupsDir: string;

beforeEach(async () => {
  groupsDir = await mkdtemp(join(tmpdir(), 'berth-groups-'));
});
afterEach(() => rm(groupsDir, { recursive: true }));

async function save(folder: string, content: string | Buffer): Promise<void> {
  await mkdir(join(groupsDir, folder), { recursive: true });
  await writeFile(join(groupsDir, folder, 'group.yaml'), content);
}

/** Of each folder the name of its group, or why it has none. */
async function loaded(): Promise<Record<string, string>> {
  const entries = [...(await loadGroups(groupsDir))].map(([folder, { outcome }]) => {
    if ('group' in outcome) return [folder, outcome.group.name];
    expect(outcome.error.code).toBe('E_GROUP_CONFIG');
    return [folder, outcome.error.message];
  });
  return Object.fromEntries(entries);
}

test('what holds no group.yaml is no group', async () => {
  await save('a.1_b-c', 'name: A');
  await mkdir(join(groupsDir, 'empty'));
  await mkdir(join(groupsDir, '.git'));
  await mkdir(join(groupsDir, 'global'));
  await symlink(join(groupsDir, 'empty'), join(groupsDir, 'linked'));
  await writeFile(join(groupsDir, 'README.md'), '');
  expect(await loaded()).toEqual({ 'a.1_b-c': 'A' });
});

test.each([
  ['Demo', '"Demo/group.yaml": the name of the folder; allowed: at most 63 of a-z'],
  ['.hidden', '".hidden/group.yaml": the name of the folder; allowed'],
  [`a${'x'.repeat(63)}`, 'the name of the folder; allowed'],
  ['a\nb', '"a\\nb/group.yaml": the name of the folder; allowed'],
  ['global', '"global/group.yaml": the name global is reserved'],
])('a folder %j is refused', async (folder, message) => {
  await save(folder, 'name: A');
  expect(await loaded()).toEqual({ [folder]: expect.stringContaining(message) });
});

test('links and what is no regular file are refused', async () => {
  await save('real', 'name: R');
  await symlink(join(groupsDir, 'real'), join(groupsDir, 'linked'));
  await mkdir(join(groupsDir, 'link'));
  await symlink(join(groupsDir, 'real', 'group.yaml'), join(groupsDir, 'link', 'group.yaml'));
  await mkdir(join(groupsDir, 'folder', 'group.yaml'), { recursive: true });
  await mkdir(join(groupsDir, 'pipe'));
  execFileSync('mkfifo', [join(groupsDir, 'pipe', 'group.yaml')]);
  expect(await loaded()).toEqual({
    real: 'R',
    linked: '"linked/group.yaml": the folder is a symbolic link; allowed: a real folder',
    link: 'link/group.yaml cannot be read: it is a symbolic link',
    folder: 'folder/group.yaml cannot be read: it is not a regular file',
    pipe: 'pipe/group.yaml cannot be read: it is not a regular file',
  });
});

test('what is too large or no UTF-8 is refused', async () => {
  await save('large', `name: A\n#${' '.repeat(64 * 1024)}`);
  await save('latin', Buffer.from('name: Stra\xdfe', 'latin1'));
  await save('marked', '\ufeffname: M');
  expect(await loaded()).toEqual({
    large: 'large/group.yaml cannot be read: it has 65545 bytes, at most 65536 are allowed',
    latin: expect.stringContaining('latin/group.yaml cannot be read: The encoded data was not valid'),
    marked: 'M',
  });
});

test('a groups folder that cannot be read is an error', async () => {
  await expect(loadGroups(join(groupsDir, 'missing'))).rejects.toMatchObject({
    code: 'E_CONFIG',
    message: expect.stringContaining(
      `the groups folder ${join(groupsDir, 'missing')} cannot be read: ENOENT`,
    ),
  });
});

test('a file is read once it is old enough for its times to tell, and then no more until it changes', async () => {
  await save('demo', 'name: A');
  const young = (await loadGroups(groupsDir)).get('demo');
  expect(young?.fingerprint).toBeUndefined();
  const before = await vi.waitFor(
    async () => {
      const groups = await loadGroups(groupsDir);
      expect(groups.get('demo')?.fingerprint).toBeDefined();
      return groups;
    },
    { timeout: 10_000, interval: 100 },
  );
  const outcome = before.get('demo')?.outcome;
  expect((await loadGroups(groupsDir, {}, before)).get('demo')?.outcome).toBe(outcome);
  await save('demo', 'name: B');
  expect((await loadGroups(groupsDir, {}, before)).get('demo')?.outcome).toMatchObject({
    group: { name: 'B' },
  });
});
