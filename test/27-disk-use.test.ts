import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskUse } from '../src/mailbox/disk-use.ts';
import { inSize } from '../src/size.ts';

const MIB = 1024 ** 2;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-disk-'));
  for (const name of ['home', 'out', 'workspace', 'elsewhere']) mkdirSync(join(root, name));
});
afterEach(() => rmSync(root, { recursive: true }));

const put = (path: string, bytes: number) => writeFileSync(join(root, path), Buffer.alloc(bytes, 1));
const use = (rest: { withinMs?: number; signal?: AbortSignal } = {}) =>
  diskUse({
    folders: { home: join(root, 'home'), out: join(root, 'out') },
    workspace: join(root, 'workspace'),
    limitBytes: 4 * MIB,
    withinMs: 60_000,
    ...rest,
  });

test('home and out count together, the workspace by itself', async () => {
  put('home/a', 2 * MIB);
  put('out/b', 1 * MIB);
  put('workspace/c', 3 * MIB);
  const { over, left } = await use();
  expect(over).toBeUndefined();
  expect(left).toBeGreaterThan(0.8 * MIB);
  expect(left).toBeLessThan(1.01 * MIB);

  put('out/d', 2 * MIB);
  expect((await use()).over).toMatch(/home and .*out hold 5(\.\d)? MiB, and limits\.disk allows 4 MiB$/);
});

test('a workspace past the limit is named', async () => {
  put('workspace/c', 5 * MIB);
  expect((await use()).over).toMatch(/workspace holds 5(\.\d)? MiB, and limits\.disk allows 4 MiB$/);
});

test('what counts is the room that is taken: no hole, and nothing that a link leads to', async () => {
  put('home/hole', 1);
  truncateSync(join(root, 'home/hole'), 100 * MIB);
  put('elsewhere/much', 8 * MIB);
  symlinkSync(join(root, 'elsewhere'), join(root, 'home/link'));
  expect((await use()).over).toBeUndefined();
});

test('a folder that is not there holds nothing', async () => {
  rmSync(join(root, 'out'), { recursive: true });
  expect((await use()).over).toBeUndefined();
});

test('what cannot be counted in time is too much; what is given up is an error', async () => {
  expect(await use({ withinMs: 0 })).toMatchObject({
    over: expect.stringContaining('more files than can be counted'),
  });
  await expect(use({ signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
});

test('sizes in words', () => {
  expect([0, 512, 64 * MIB, 1.5 * 1024 * MIB].map(inSize)).toEqual([
    '0 bytes',
    '512 bytes',
    '64 MiB',
    '1.5 GiB',
  ]);
});
