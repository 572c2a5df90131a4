import {
  chmodSync,
  chownSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseGroup } from '../src/groups/parse-group.ts';
import { noQuota } from '../src/mailbox/disk-quota.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { prepareFolders, sessionMounts } from '../src/wake/prepare-folders.ts';

const isRoot = process.getuid?.() === 0;
const user = { uid: 100_777, gid: 100_777 };
const FILES = 3_000;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-own-'));
  mkdirSync(join(root, 'groups/demo/workspace'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const workspace = (...path: string[]) => join(root, 'groups/demo/workspace', ...path);

async function prepare() {
  const group = parseGroup('name: Demo\n', { folder: 'demo', file: 'group.yaml' });
  const deps = { groupsDir: join(root, 'groups'), owner: isRoot ? user : null, quota: noQuota };
  const folders = sessionFolders(join(root, 'data'), 'demo', 's_1');
  await prepareFolders(deps, group, folders);
  return sessionMounts(deps.groupsDir, group, folders);
}

test('the agent can read its instructions, whoever else can read the file of the operator', async () => {
  const source = join(root, 'groups/demo/AGENTS.md');
  writeFileSync(source, 'one', { mode: 0o400 });
  const mounts = await prepare();
  const copy = join(mounts.find(({ target }) => target === '/instructions')?.source ?? '', 'AGENTS.md');
  expect(statSync(copy).mode & 0o777).toBe(0o644);
  chmodSync(source, 0o600);
  writeFileSync(source, 'two');
  await prepare();
  expect(readFileSync(copy, 'utf8')).toBe('two');
});

describe.runIf(isRoot)('under a root host', () => {
  test('the workspace and all in it become the group’s; where links lead to stays as it is', async () => {
    mkdirSync(workspace('a/b'), { recursive: true });
    writeFileSync(workspace('a/b/file'), '');
    writeFileSync(join(root, 'elsewhere'), '');
    symlinkSync(join(root, 'elsewhere'), workspace('a/link'));
    await prepare();
    for (const path of ['.', 'a', 'a/b', 'a/b/file', 'a/link']) {
      const { uid, gid } = lstatSync(workspace(path));
      expect({ uid, gid }, path).toEqual(user);
    }
    expect(statSync(join(root, 'elsewhere')).uid).toBe(0);
  });

  test('a workspace that is the group’s already is not looked through', async () => {
    writeFileSync(workspace('of-root'), '');
    chownSync(workspace(), user.uid, user.gid);
    await prepare();
    expect(statSync(workspace('of-root')).uid).toBe(0);
  });

  test('a link that is put in the place of a folder while it is given leads to nothing that is given', async () => {
    const victim = join(root, 'victim');
    const files = Array.from({ length: FILES }, (_, n) => join('deep', `file-${n}`));
    for (const folder of ['deep', 'deep/deeper']) mkdirSync(workspace('x', folder), { recursive: true });
    for (const file of files) writeFileSync(workspace('x', file), '');
    writeFileSync(workspace('x/deep/deeper/shadow'), '');
    cpSync(workspace('x'), victim, { recursive: true });

    const given = (file: string) => lstatSync(workspace('x', file)).uid === user.uid;
    const prepared = prepare();
    // What a container of another session of the group could do as soon as something is its own.
    await vi.waitUntil(() => files.some(given), { timeout: 10_000, interval: 1 });
    renameSync(workspace('x'), workspace('y'));
    symlinkSync(victim, workspace('x'));
    await prepared;

    const ofVictim = [...files, 'deep/deeper/shadow'].map((file) => statSync(join(victim, file)).uid);
    expect(new Set(ofVictim)).toEqual(new Set([0]));
    expect(statSync(workspace('y/deep/deeper/shadow')).uid).toBe(user.uid);
    expect(lstatSync(workspace()).uid).toBe(user.uid);
  });
});
