import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ImageBuilder } from '../src/engines/image-builder.ts';
import { BerthError } from '../src/errors.ts';
import { agentAccounts, UIDS } from '../src/images/agent-accounts.ts';
import { gatherBaseFiles, recipeOf } from '../src/images/base-files.ts';
import { findBaseSource } from '../src/images/base-source.ts';
import { bundleRunner } from '../src/images/bundle-runner.ts';
import { readExtraCertificates } from '../src/images/ca-certificates.ts';
import { packContext } from '../src/images/pack-context.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-base-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('accounts', () => {
  test('every uid that a container may run as is called agent, once', () => {
    const { passwd, group } = agentAccounts(100_000, { uid: 501, gid: 20 });
    const lines = passwd.trimEnd().split('\n');
    expect(lines).toHaveLength(UIDS + 2);
    expect(lines[0]).toBe('agent:x:1000:1000::/home/agent:/bin/sh');
    expect(lines[1]).toBe('agent:x:501:20::/home/agent:/bin/sh');
    expect(lines.at(-1)).toBe('agent:x:100999:100999::/home/agent:/bin/sh');
    expect(group).toContain('agent:x:20:\n');
  });

  test('a host that is root, or is user 1000, has no line of its own', () => {
    for (const id of [0, 1000]) {
      const { passwd, group } = agentAccounts(100_000, { uid: id, gid: id });
      expect(passwd.trimEnd().split('\n')).toHaveLength(UIDS + 1);
      expect(group.trimEnd().split('\n')).toHaveLength(UIDS + 1);
    }
  });
});

describe('certificates', () => {
  const own = '-----BEGIN CERTIFICATE-----\nT3VycwAA\n-----END CERTIFICATE-----';

  test('of a bundle only those that are not everybody’s, each once', async () => {
    const bundle = join(folder, 'ca.pem');
    writeFileSync(
      bundle,
      [rootCertificates[0], '# ours', own.replaceAll('\n', '\r\n'), rootCertificates[1], own].join('\n'),
    );
    expect(await readExtraCertificates(bundle)).toEqual([`${own}\n`]);
    expect(await readExtraCertificates(undefined)).toEqual([]);
  });

  test('a bundle that is not there is an error of the settings', async () => {
    await expect(readExtraCertificates(join(folder, 'none'))).rejects.toMatchObject({ code: 'E_CONFIG' });
  });
});

describe('what goes in', () => {
  test('is the same twice, and another recipe as soon as one byte or the source differs', async () => {
    const ingredients = { architecture: 'x64', uidBase: 100_000 };
    const [first, second] = [await gatherBaseFiles(ingredients), await gatherBaseFiles(ingredients)];
    const recipe = recipeOf(first.files, 'node:24');
    expect(recipeOf([...second.files].reverse(), 'node:24')).toBe(recipe);
    expect(recipeOf(first.files, 'node:25')).not.toBe(recipe);
    const other = await gatherBaseFiles({ ...ingredients, uidBase: 200_000 });
    expect(recipeOf(other.files, 'node:24')).not.toBe(recipe);
  });

  test('is packed so that everybody can read it, folders first', async () => {
    const entries: string[] = [];
    const tar = extract();
    tar.on('entry', ({ name, mode, uid }, stream, next) => {
      entries.push(`${name} ${mode?.toString(8)} ${uid}`);
      stream.resume();
      stream.on('end', next);
    });
    const content = Buffer.from('x');
    packContext([{ path: 'berth/runner/main.cjs', content }]).pipe(tar as unknown as NodeJS.WritableStream);
    await vi.waitUntil(() => entries.some((entry) => entry.startsWith('berth/runner/main.cjs')));
    expect(entries).toEqual([
      'accounts 755 0',
      'berth 755 0',
      'berth/runner 755 0',
      'ca-certificates 755 0',
      'berth/runner/main.cjs 644 0',
    ]);
  });

  test('the runner is one file that takes only Node’s own and its tools from elsewhere', async () => {
    const bundle = (await bundleRunner()).toString();
    const wanted = [...bundle.matchAll(/\b(?:require|import)\("([^"]+)"\)/g)].map(([, name]) => name ?? '');
    const elsewhere = [...new Set(wanted)].filter((name) => !isBuiltin(name));
    expect(wanted).toContain('node:fs');
    expect(elsewhere).toEqual(['./tools.mjs']);
    await expect(bundleRunner('agent-runner/src/nowhere.ts')).rejects.toMatchObject({
      code: 'E_IMAGE_BUILD',
    });
  });
});

describe('the source', () => {
  /** An engine without that image, whose registry says no. */
  const images: ImageBuilder = {
    architecture: () => Promise.resolve(process.arch),
    inspect: () => Promise.resolve(undefined),
    pull: (image) => Promise.reject(new BerthError('E_ENGINE_REFUSED', `pulling ${image}: no such host`)),
    importRootfs: () => Promise.reject(new Error('not asked for')),
    build: () => Promise.reject(new Error('not asked for')),
    remove: () => Promise.resolve(),
  };
  const find = (given: Partial<ImageBuilder>, architecture = process.arch, afresh = false) =>
    findBaseSource(
      { images: { ...images, ...given }, onLine: () => undefined },
      'node:24',
      architecture,
      afresh,
    );
  const found = { id: 'x', size: 1, labels: {} };

  test('is the image that the engine has, or can pull', async () => {
    const expected = { kind: 'registry', from: 'node:24' };
    expect(
      await find({ inspect: (name) => Promise.resolve(name === 'node:24' ? found : undefined) }),
    ).toEqual(expected);
    expect(await find({ pull: () => Promise.resolve() })).toEqual(expected);
    // A registry that is away is no reason to give up what is there.
    expect(
      await find(
        { inspect: (name) => Promise.resolve(name === 'node:24' ? found : undefined) },
        process.arch,
        true,
      ),
    ).toEqual(expected);
  });

  test('without either and without mmdebstrap the reason is one line with both', async () => {
    vi.stubEnv('PATH', folder);
    await expect(find({})).rejects.toMatchObject({
      code: 'E_BASE_SOURCE',
      message: 'node:24 cannot be had (no such host), and mmdebstrap is not installed',
    });
  });

  test('Debian’s packages are not taken for an engine on another CPU', async () => {
    await expect(find({}, 'riscv64')).rejects.toMatchObject({
      code: 'E_BASE_SOURCE',
      message: expect.stringContaining('riscv64'),
    });
  });

  test('mmdebstrap that fails is named with its own words', async () => {
    writeFileSync(
      join(folder, 'mmdebstrap'),
      '#!/bin/sh\necho "I: working..." >&2\necho "E: no permission" >&2\nexit 1\n',
      { mode: 0o755 },
    );
    vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
    await expect(find({})).rejects.toMatchObject({
      message: 'node:24 cannot be had (no such host), and mmdebstrap failed: no permission',
    });
  });
});

test('the Dockerfile fetches nothing by itself but what the source lacks', () => {
  const dockerfile = readFileSync(new URL('../container/Dockerfile', import.meta.url), 'utf8');
  expect(dockerfile).not.toMatch(/^# ?syntax=/m);
  expect(dockerfile.match(/apt-get install/g)).toHaveLength(1);
});
