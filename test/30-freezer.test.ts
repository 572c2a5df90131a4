import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { findFreezer } from '../src/engines/cgroup-freezer.ts';

const isRoot = process.getuid?.() === 0;
const v1 = '/sys/fs/cgroup';
const v2 = cgroup2();

/** Where cgroups of version 2 are on this machine. */
function cgroup2(): string | undefined {
  const mounts = existsSync('/proc/mounts') ? readFileSync('/proc/mounts', 'utf8') : '';
  return /^cgroup2? (\S+) cgroup2 /m.exec(mounts)?.[1];
}

/** A container's cgroup as Docker makes one, with a process of ours in it. */
function openCgroup(root: string, folder: string): { id: string; child: ChildProcess } {
  const id = randomBytes(32).toString('hex');
  const path = join(root, folder, 'docker', id);
  mkdirSync(path, { recursive: true });
  const child = spawn('sh', ['-c', 'while echo tick; do sleep 0.02; done']);
  writeFileSync(join(path, 'cgroup.procs'), String(child.pid));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await closed;
    await vi.waitUntil(() => {
      rmdirSync(path);
      return true;
    });
  });
  return { id, child };
}

describe.each([
  {
    version: 1,
    root: v1,
    folder: 'freezer',
    isThere: isRoot && existsSync(join(v1, 'freezer/cgroup.procs')),
  },
  { version: 2, root: v2 ?? '', folder: '', isThere: isRoot && v2 !== undefined },
])('cgroups of version $version', ({ root, folder, isThere }) => {
  test.runIf(isThere)('what is frozen stands still, and goes on when it is thawed', async () => {
    const { id, child } = openCgroup(root, folder);
    let ticks = 0;
    child.stdout?.on('data', () => ticks++);
    await vi.waitUntil(() => ticks > 2);
    const freezer = findFreezer(id, root);
    expect(freezer?.isFrozen()).toBe(false);

    await freezer?.freeze(5000);

    expect(freezer?.isFrozen()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50)); // what it had printed before
    const then = ticks;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(ticks).toBe(then);
    freezer?.thaw();
    await vi.waitUntil(() => ticks > then);
    expect(freezer?.isFrozen()).toBe(false);
  });
});

test('what is no container of this machine has none', () => {
  expect(findFreezer('0'.repeat(64))).toBeUndefined();
});
