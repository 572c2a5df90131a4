import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchGroups } from '../src/groups/watch-groups.ts';
import { ReleaseStack } from '../src/release-stack.ts';

let groupsDir: string;
let releases: ReleaseStack;

beforeEach(async () => {
  releases = new ReleaseStack();
  groupsDir = await mkdtemp(join(tmpdir(), 'berth-groups-'));
  releases.add('folder', () => rm(groupsDir, { recursive: true }));
});
afterEach(() => releases.releaseAll());

async function save(folder: string, text: string): Promise<void> {
  await mkdir(join(groupsDir, folder), { recursive: true });
  await writeFile(join(groupsDir, folder, 'group.yaml'), text);
}

const until = (condition: () => void) => vi.waitFor(condition, { timeout: 10_000, interval: 10 });

test.runIf(process.platform === 'linux')('sees nothing under workspace', async () => {
  await save('demo', 'name: One');
  await mkdir(join(groupsDir, 'demo', 'workspace', 'deep'), { recursive: true });
  const release = await watchGroups({ groupsDir, onLook: () => {}, onError: () => {} });
  releases.add('watch', release);
  const inode = (path: string) => statSync(join(groupsDir, path)).ino.toString(16);
  await until(() => expect(watchedInodes()).toContain(inode('demo')));
  expect(watchedInodes()).not.toContain(inode('demo/workspace'));
  expect(watchedInodes()).not.toContain(inode('demo/workspace/deep'));
  await mkdir(join(groupsDir, 'later', 'workspace'), { recursive: true });
  await until(() => expect(watchedInodes()).toContain(inode('later')));
  expect(watchedInodes()).not.toContain(inode('later/workspace'));
});

test('looks by timer as well, and no more once it is released', async () => {
  let looks = 0;
  const release = await watchGroups({ groupsDir, onLook: () => looks++, onError: () => {}, lookMs: 5 });
  await until(() => expect(looks).toBeGreaterThan(2));
  await release();
  const then = looks;
  let others = 0;
  const other = await watchGroups({ groupsDir, onLook: () => others++, onError: () => {}, lookMs: 5 });
  releases.add('other', other);
  await until(() => expect(others).toBeGreaterThan(2));
  expect(looks).toBe(then);
});

test('saves without end are heard all the same', async () => {
  let looks = 0;
  const release = await watchGroups({ groupsDir, onLook: () => looks++, onError: () => {}, settleMs: 100 });
  releases.add('watch', release);
  const deadline = performance.now() + 5000;
  for (let count = 0; looks === 0 && performance.now() < deadline; count++) {
    await save('demo', `name: N${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(looks).toBeGreaterThan(0);
});

/** Inodes (hex) that this process watches by inotify. */
function watchedInodes(): string[] {
  return readdirSync('/proc/self/fdinfo').flatMap((fd) => {
    try {
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
      return [...info.matchAll(/^inotify .*?ino:([0-9a-f]+)/gm)].map(([, inode]) => inode ?? '');
    } catch {
      return []; // the descriptor of the listing itself
    }
  });
}
