import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type AwakeSession, AwakeSessions } from '../src/awake/awake-session.ts';
import { systemClock } from '../src/clock.ts';
import { fillsUp, hundredthsFree, nextAlone, nextTogether } from '../src/recovery/disk-order.ts';
import { watchDisk } from '../src/recovery/watch-disk.ts';
import { livingSession } from './fixtures/living-session.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';

const MIB = 1024 ** 2;
const LIMIT = MIB;
let root: string;
/** Each call of `du`, in its words. */
let log: string;

/** In front of the real `du` there is one that takes as long over a session called "slow" as one takes over millions of files. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-watch-disk-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  log = join(root, 'calls');
  writeFileSync(log, '');
  mkdirSync(join(root, 'bin'));
  mkdirSync(join(root, 'groups', 'echo', 'workspace'), { recursive: true });
  const words = `#!/bin/sh\necho "$*" >> ${log}\ncase "$*" in */slow/*) exec sleep 300;; esac\nexec /usr/bin/du "$@"\n`;
  writeFileSync(join(root, 'bin', 'du'), words);
  chmodSync(join(root, 'bin', 'du'), 0o755);
  vi.stubEnv('PATH', `${join(root, 'bin')}:${process.env.PATH}`);
  onTestFinished(() => void vi.unstubAllEnvs());
});

function watch(sessions: AwakeSession[], dataDir = root): string[] {
  const awake = new AwakeSessions();
  for (const session of sessions) awake.add(session);
  const buried: string[] = [];
  const release = watchDisk({
    ...{
      awake,
      clock: systemClock,
      log: pino({ level: 'silent' }),
      dataDir,
      groupsDir: join(root, 'groups'),
    },
    bury(session) {
      session.state = 'stopping';
      buried.push(session.id);
      return new Promise<never>(() => undefined);
    },
    onFatal: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(release);
  return buried;
}

function overfill({ folders }: AwakeSession): void {
  writeFileSync(join(folders.home, 'much'), Buffer.alloc(2 * LIMIT, 1));
}

test('a session whose folders take long to count keeps no other from being watched', async () => {
  const slow = await livingSession('slow');
  const quick = await livingSession('quick');
  const buried = watch([slow, quick]);
  overfill(quick);

  await vi.waitUntil(() => buried.length > 0, { timeout: 15_000 });

  expect(buried).toEqual(['quick']);
});

test('nor does one whose container is being ended', async () => {
  const one = await livingSession('one');
  const two = await livingSession('two');
  const buried = watch([one, two]);
  overfill(one);
  await vi.waitUntil(() => buried.length === 1, { timeout: 15_000 });
  overfill(two);

  await vi.waitUntil(() => buried.length === 2, { timeout: 15_000 });

  expect(buried).toEqual(['one', 'two']);
}, 40_000);

describe.skipIf(!canMount)('a disk that runs full', () => {
  test('makes everybody due at once', async () => {
    const disk = await mountSmallDisk(join(root, 'disk'), 32);
    onTestFinished(() => disk.unmount());
    const session = await livingSession('s', { limits: { diskBytes: 10 * 1024 ** 3 } });
    watch([session], disk.path);
    const { length } = await vi.waitUntil(() => calls(), { timeout: 10_000 });
    await disk.fill(MIB);

    await vi.waitUntil(() => calls().length > length, { timeout: 10_000 });
  });

  function calls(): string {
    return readFileSync(log, 'utf8');
  }
});

describe('whose turn it is', () => {
  const at = (dueAt: number, tookMs = 10, alone = false) => ({ dueAt, tookMs, alone });

  test('the one that is due, with those that soon will be and cost little', () => {
    const all = new Map(
      Object.entries({ a: at(100), b: at(0), c: at(20_000), d: at(50, 5000), e: at(60, 10, true) }),
    );
    expect(nextTogether(all, 0)).toEqual(['b', 'a']);
    expect(nextTogether(all, -1)).toEqual([]);
  });

  test('no more at once than can be counted soon', () => {
    const many = new Map(Array.from({ length: 40 }, (_, n) => [n, at(n, 100)]));
    expect(nextTogether(many, 0)).toHaveLength(15);
    const quick = new Map(Array.from({ length: 40 }, (_, n) => [n, at(n)]));
    expect(nextTogether(quick, 0)).toHaveLength(32);
  });

  test('of the slow ones the cheapest that is due', () => {
    const all = new Map(Object.entries({ a: at(0), b: at(0, 60_000), c: at(5, 3000), d: at(99, 2000) }));
    expect(nextAlone(all, 10)).toBe('c');
    expect(nextAlone(all, 100)).toBe('d');
    expect(nextAlone(all, -1)).toBeUndefined();
  });

  test('a disk that is nearly full and gets fuller', () => {
    expect(hundredthsFree({ blocks: 1000, bavail: 57, files: 100, ffree: 90 })).toBe(5);
    expect(hundredthsFree({ blocks: 1000, bavail: 570, files: 100, ffree: 3 })).toBe(3);
    expect(hundredthsFree({ blocks: 1000, bavail: 570, files: 0, ffree: 0 })).toBe(57);
    expect([fillsUp(undefined, 5), fillsUp(50, 40), fillsUp(10, 9), fillsUp(9, 9), fillsUp(8, 9)]).toEqual([
      ...[false, false, true, false, false],
    ]);
  });
});
