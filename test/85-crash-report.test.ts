import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ContainerSpec } from '../src/engines/engine.ts';
import {
  type CrashReport,
  crashFolder,
  newestCrashReport,
  writeCrashReport,
} from '../src/recovery/crash-report.ts';
import { keepSecret } from '../src/secrets.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'berth-crash-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const spec = {
  name: 'c',
  image: 'berth-base:latest',
  environment: {
    BERTH_SESSION: 's1',
    BERTH_GROUP_NAME: 'Demo',
    HOME: '/home/agent',
    TZ: 'UTC',
    FAVOURITE: 'blue',
    BERTH_API_KEY: 'hidden',
    PASSWORD: 'hunter2',
  },
  limits: { memoryBytes: 1, cpus: 1, pids: 1, openFiles: 1 },
} as unknown as ContainerSpec;

function report(second: number): CrashReport {
  const death = {
    class: 'oom' as const,
    words: 'it ran out of memory',
    exitCode: 137,
    signal: null,
    oomKilled: true,
  };
  return {
    ...death,
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
    session: 's1',
    group: 'demo',
    epoch: 3,
    container: 'c',
    livedMs: 1234,
    claims: [{ message: 'm1', attempt: 2 }],
    waiting: 2,
    howOften: { times: [], withinMs: 1, restartsAllowed: 3 },
    next: 'a new container is started',
    lines: ['last words'],
    spec,
  };
}

test('a secret of the host that a container printed is not in its report', async () => {
  keepSecret('s3cret "token"');
  const path = await writeCrashReport(dataDir, { ...report(1), lines: ['it is s3cret "token" indeed'] });
  const text = readFileSync(path, 'utf8');
  expect(text).not.toContain('s3cret');
  expect((JSON.parse(text) as CrashReport).lines).toEqual(['it is [secret] indeed']);
});

test('a report holds what happened, and no value that a group may keep secret', async () => {
  const path = await writeCrashReport(dataDir, report(1));
  const text = readFileSync(path, 'utf8');
  expect(JSON.parse(text)).toEqual({
    ...report(1),
    spec: {
      ...spec,
      environment: {
        BERTH_SESSION: 's1',
        BERTH_GROUP_NAME: 'Demo',
        HOME: '/home/agent',
        TZ: 'UTC',
        FAVOURITE: '[left out]',
        BERTH_API_KEY: '[left out]',
        PASSWORD: '[left out]',
      },
    },
  });
  expect(text).not.toMatch(/blue|hidden|hunter2/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(crashFolder(dataDir, 's1')).mode & 0o777).toBe(0o700);
});

test('the newest 20 of a session are kept, those of others are left alone', async () => {
  await writeCrashReport(dataDir, { ...report(0), session: 's2' });
  for (let second = 0; second < 25; second++) await writeCrashReport(dataDir, report(second));
  const names = readdirSync(crashFolder(dataDir, 's1')).toSorted();
  expect(names).toHaveLength(20);
  expect(names[0]).toMatch(/^2026-01-01T00-00-05\.000Z-/);
  expect(await newestCrashReport(dataDir, 's1')).toMatchObject({
    report: { at: '2026-01-01T00:00:24.000Z' },
  });
  expect(await newestCrashReport(dataDir, 's2')).toMatchObject({ report: { session: 's2' } });
});

test('two in one millisecond are two; a session without any has none', async () => {
  await Promise.all([writeCrashReport(dataDir, report(1)), writeCrashReport(dataDir, report(1))]);
  expect(readdirSync(crashFolder(dataDir, 's1'))).toHaveLength(2);
  expect(await newestCrashReport(dataDir, 's9')).toBeUndefined();
});
