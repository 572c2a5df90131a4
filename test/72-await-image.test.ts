import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Group } from '../src/groups/group.ts';
import { awaitImage } from '../src/wake/await-image.ts';

const group = { folder: 'claude', agent: { provider: 'claude' } } as Group;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('who waits for packages is told after 3 s, then each minute, and nothing once they are there', async () => {
  const installed = Promise.withResolvers<void>();
  const told: string[] = [];
  const images = { provide: () => installed.promise, awaited: () => ({ packages: 'claude' }) };
  const tell = (session: string, text: string) => void told.push(`${session}: ${text}`);
  const deps = { images, tell, log: pino({ level: 'silent' }) };
  const done = awaitImage(deps, 's_1', group, new AbortController().signal);

  await vi.advanceTimersByTimeAsync(2_900);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(told).toEqual([expect.stringMatching(/^s_1: installing the packages of claude/)]);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(told).toHaveLength(3);

  installed.resolve();
  await done;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toHaveLength(3);
});

test('who waits for the base image is told so, from when it is known that there is none', async () => {
  const built = Promise.withResolvers<void>();
  const told: string[] = [];
  let awaited: { base: string } | null = null;
  const images = { provide: () => built.promise, awaited: () => awaited };
  const tell = (_session: string, text: string) => void told.push(text);
  const deps = { images, tell, log: pino({ level: 'silent' }) };
  const done = awaitImage(deps, 's_1', group, new AbortController().signal);

  await vi.advanceTimersByTimeAsync(4_000);
  expect(told).toEqual([]);
  awaited = { base: 'berth-base:latest' };
  await vi.advanceTimersByTimeAsync(3_000);
  const words = 'building the base image, which takes some minutes the first time';
  expect(told).toEqual([words]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual([words, words]);

  built.reject(new Error('nothing to build from'));
  await expect(done).rejects.toThrow('nothing to build from');
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toHaveLength(2);
});

test('who waits no longer than 3 s is told nothing; why there is no image is thrown', async () => {
  const told: string[] = [];
  const tell = (_session: string, text: string) => void told.push(text);
  const provide = () => Promise.reject(new Error('no such package'));
  const deps = { images: { provide, awaited: () => null }, tell, log: pino({ level: 'silent' }) };
  await expect(awaitImage(deps, 's_1', group, new AbortController().signal)).rejects.toThrow(
    'no such package',
  );
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told).toEqual([]);
});
