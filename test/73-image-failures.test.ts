import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BerthError } from '../src/errors.ts';
import { openBuildLog } from '../src/images/build-log.ts';
import { explainFailure } from '../src/images/explain-failure.ts';
import { canMount, mountSmallDisk } from './fixtures/small-disk.ts';

const failed = new BerthError(
  'E_IMAGE_BUILD',
  "building berth-candidate:0: The command '/bin/sh -c x' returned a non-zero code: 100",
);
const explain = (lines: string[], scripts: string[] = []) =>
  explainFailure(failed, lines, { apt: ['jq'], npm: ['esbuild'], scripts });

// Words as apt, npm and the engine printed them.
test.each([
  [
    'E_IMAGE_PACKAGE',
    'there is no Debian package nope',
    ['Reading package lists...', 'E: Unable to locate package nope'],
  ],
  ['E_IMAGE_PACKAGE', 'there is no Debian package nope', ["E: Package 'nope' has no installation candidate"]],
  [
    'E_IMAGE_PACKAGE',
    'the Debian package jq has no version 9.9',
    ["E: Version '9.9' for 'jq' was not found"],
  ],
  [
    'E_IMAGE_PACKAGE',
    'there is no npm package @a/nope',
    [
      'npm error code E404',
      "npm error 404  The requested resource '@a/nope@1' could not be found or you do not have permission to access it.",
    ],
  ],
  ['E_IMAGE_PACKAGE', 'there is no npm package nope', ["npm error 404  'nope@*' is not in this registry."]],
  [
    'E_IMAGE_PACKAGE',
    'there is no version cowsay@99 in the npm registry',
    ['npm error code ETARGET', 'npm error notarget No matching version found for cowsay@99.'],
  ],
  [
    'E_IMAGE_REGISTRY',
    "Debian's packages cannot be fetched (http://deb.debian.org/debian/dists/bookworm/InRelease)",
    [
      "W: Failed to fetch x  Temporary failure resolving 'deb.debian.org'",
      "E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'",
      'E: Some index files failed to download. They have been ignored, or old ones used instead.',
    ],
  ],
  ['E_IMAGE_REGISTRY', 'the npm registry cannot be reached (EAI_AGAIN)', ['npm error code EAI_AGAIN']],
  [
    'E_IMAGE_REGISTRY',
    'the npm registry cannot be reached (ERR_SOCKET_TIMEOUT)',
    ['npm error code ERR_SOCKET_TIMEOUT'],
  ],
  [
    'E_IMAGE_REGISTRY',
    "the registry's certificate is not trusted (SELF_SIGNED_CERT)",
    ['npm error code SELF_SIGNED_CERT_IN_CHAIN', 'npm error request to https://registry.npmjs.org/x failed'],
  ],
  [
    'E_IMAGE_REGISTRY',
    'the npm registry cannot be reached: https://registry.npmjs.org/npm: ENOTFOUND',
    ['berth: the npm registry cannot be reached: https://registry.npmjs.org/npm: ENOTFOUND'],
  ],
  ['E_DISK_FULL', "the engine's disk is full", ['tar: write error: No space left on device']],
  [
    'E_DISK_FULL',
    "the engine's disk is full",
    ['npm error code ENOSPC', 'npm error nospc ENOSPC: no space left on device, write'],
  ],
  [
    'E_DISK_FULL',
    "the engine's disk is full",
    ["E: You don't have enough free space in /var/cache/apt/archives/."],
  ],
  [
    'E_IMAGE_SCRIPTS',
    'esbuild has install scripts and is not named; to allow them, add to image: in group.yaml the line scripts: [esbuild]',
    ['esbuild@0.28.2 wants to run: node install.js', 'berth: install scripts not allowed: esbuild'],
  ],
  [
    'E_IMAGE_BUILD',
    'path /usr/local/bin/node; EEXIST: file already exists',
    [
      'npm error code EEXIST',
      'npm error path /usr/local/bin/node',
      'npm error EEXIST: file already exists',
      'berth: npm install ended with 1',
    ],
  ],
  ['E_IMAGE_BUILD', 'Unmet dependencies', ['E: Unmet dependencies', 'berth: apt-get install ended with 100']],
  ['E_IMAGE_BUILD', 'npm rebuild ended with 1', ['gcc: not found', 'berth: npm rebuild ended with 1']],
] as const)('%s: %s', (code, message, lines) => {
  const error = explain([...lines]);
  expect(error).toMatchObject({ code, message });
  expect(error.cause).toBe(failed);
});

test('the line to add has what was allowed before, and quotes what YAML would not take', () => {
  const { message } = explain(['berth: install scripts not allowed: @a/b sharp'], ['esbuild']);
  expect(message).toBe(
    '@a/b, sharp have install scripts and are not named; to allow them, add to image: in group.yaml the line scripts: ["@a/b", esbuild, sharp]',
  );
});

test('a build that was killed ran out of memory; without any words the builder’s stand', () => {
  const killed = new BerthError(
    'E_IMAGE_BUILD',
    "building x: The command 'y' returned a non-zero code: 137\nlast line",
  );
  const nothing = { apt: [], npm: [], scripts: [] };
  expect(explainFailure(killed, [], nothing).message).toBe('the build needed more memory than it may have');
  expect(explain([]).message).toBe(failed.message);
});

test('what is no failure of the build stays what it is', () => {
  const away = new BerthError('E_ENGINE_UNREACHABLE', 'the connection to the engine broke');
  expect(explainFailure(away, ['E: Unable to locate package x'], { apt: [], npm: [], scripts: [] })).toBe(
    away,
  );
});

test('the log of a build takes the place of the one before, and has a bound', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-log-'));
  try {
    for (const words of ['first', 'second']) {
      const log = await openBuildLog(folder, 'hash');
      log.line(words);
      for (let line = 0; line < 90; line++) log.line('x'.repeat(100_000));
      await log.close();
      expect(log.path).toBe(join(folder, 'builds/hash/log'));
    }
    const text = readFileSync(join(folder, 'builds/hash/log'), 'utf8');
    expect(text).toMatch(/^second\n/);
    expect(text).toMatch(/this log is full; the build goes on\.\n$/);
    expect(text.length).toBeLessThan(9 * 1024 * 1024);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.skipIf(!canMount)('a full disk is told by its code', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-log-'));
  const disk = await mountSmallDisk(join(folder, 'data'), 1);
  try {
    const log = await openBuildLog(disk.path, 'hash');
    await disk.fill();
    log.line('x'.repeat(100_000));
    expect(await log.failed).toMatchObject({ code: 'E_DISK_FULL' });
    await log.close();
  } finally {
    await disk.unmount();
    rmSync(folder, { recursive: true });
  }
});
