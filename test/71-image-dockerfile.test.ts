import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findGlobal } from '../container/image/find-global.mts';
import { readBuilderLine } from '../src/images/build-events.ts';
import { dockerfile } from '../src/images/dockerfile.ts';
import { packContext } from '../src/images/pack-context.ts';

const npmSpec = {
  apt: ['curl=7.88*', 'jq'],
  npm: ['@scope/x@>=1 <2', 'cowsay@1.6.0'],
  scripts: ['@scope/x'],
};

describe('the Dockerfile', () => {
  test('installs apt before npm, in exec form, and ends as the user agent', () => {
    const text = dockerfile('sha256:0', npmSpec, 'berth-group:1');
    expect(text.split('\n')).toEqual([
      'FROM sha256:0',
      'USER root',
      'RUN ["node","/opt/berth/image/install-apt.mts","--","curl=7.88*","jq"]',
      'RUN ["node","/opt/berth/image/provide-npm.mts"]',
      'RUN ["node","/opt/berth/image/install-npm.mts","--script","@scope/x","--","@scope/x@>=1 <2","cowsay@1.6.0"]',
      String.raw`LABEL berth.contract="1" berth.image-recipe="1" berth.image="berth-group:1" berth.declaration="{\"apt\":[\"curl=7.88*\",\"jq\"],\"npm\":[\"@scope/x@>=1 <2\",\"cowsay@1.6.0\"],\"scripts\":[\"@scope/x\"]}"`,
      'USER agent',
      '',
    ]);
  });

  test('has no step for what is not declared; two groups with the same apt packages share that layer', () => {
    const apt = dockerfile('sha256:0', { apt: ['jq'], npm: [], scripts: [] }, 'a').split('\n');
    const both = dockerfile('sha256:0', { apt: ['jq'], npm: ['cowsay'], scripts: [] }, 'b').split('\n');
    expect(apt.slice(0, 3)).toEqual(both.slice(0, 3));
    expect(apt.filter((line) => line.includes('npm.mts'))).toEqual([]);
  });

  test('is all that its context holds', async () => {
    const names: string[] = [];
    const tar = extract();
    tar.on('entry', ({ name }, stream, next) => {
      names.push(name);
      stream.resume();
      stream.on('end', next);
    });
    const ended = new Promise<void>((resolve) => tar.on('finish', () => resolve()));
    packContext([{ path: 'Dockerfile', content: Buffer.from('FROM x') }], []).pipe(
      tar as unknown as NodeJS.WritableStream,
    );
    await ended;
    expect(names).toEqual(['Dockerfile']);
  });
});

describe('what the builder says', () => {
  test.each([
    [
      'Step 3/6 : RUN ["node","/opt/berth/image/install-apt.mts","--","jq"]',
      { event: 'step', step: 3, of: 6, text: 'install-apt jq' },
    ],
    [
      'Step 4/6 : RUN ["node","/opt/berth/image/provide-npm.mts"]',
      { event: 'step', step: 4, of: 6, text: 'provide-npm' },
    ],
    ['Step 1/6 : FROM sha256:0', { event: 'step', step: 1, of: 6, text: 'FROM sha256:0' }],
    ['Unpacking jq (1.6) ...', { event: 'line', text: 'Unpacking jq (1.6) ...' }],
    ['---> Running in 0123', undefined],
    ['Removing intermediate container 0123', undefined],
    ['Successfully built 0123', undefined],
  ])('%s', (line, event) => {
    expect(readBuilderLine(line)).toEqual(event);
  });

  test('is cut where it is longer than a terminal shows', () => {
    const event = readBuilderLine('x'.repeat(5000));
    expect(event?.text).toHaveLength(201);
  });
});

describe('packages with install scripts', () => {
  let modules: string;

  beforeEach(() => {
    modules = mkdtempSync(join(tmpdir(), 'berth-modules-'));
  });
  afterEach(() => rmSync(modules, { recursive: true }));

  /** A package in that folder of `node_modules`. */
  function install(folder: string, manifest: object, files: string[] = []): void {
    const path = join(modules, folder);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'package.json'), JSON.stringify(manifest));
    for (const name of files) writeFileSync(join(path, name), '');
  }
  const found = () => Object.fromEntries(findGlobal(modules).map(({ name, script }) => [name, script]));

  test('are found at any depth, with what would run', () => {
    install('plain', { version: '1.0.0', scripts: { test: 'x', prepare: 'x' } });
    install('plain/node_modules/deep', { scripts: { postinstall: 'node deep.js' } });
    install('@scope/own', { scripts: { install: 'node own.js' } });
    install('@scope/own/node_modules/@scope/deeper', { scripts: { preinstall: 'node deeper.js' } });
    expect(found()).toEqual({
      plain: undefined,
      deep: 'node deep.js',
      '@scope/own': 'node own.js',
      '@scope/deeper': 'node deeper.js',
    });
  });

  test('include what npm would compile by itself, unless the package forbids it', () => {
    install('compiled', {}, ['binding.gyp']);
    install('prebuilt', { gypfile: false }, ['binding.gyp']);
    install('own', { scripts: { install: 'node-gyp-build' } }, ['binding.gyp']);
    expect(found()).toEqual({ compiled: 'node-gyp rebuild', prebuilt: undefined, own: 'node-gyp-build' });
  });

  test('do not include what a package brings in its own bundle, for npm runs nothing of it', () => {
    install('outer', { bundleDependencies: ['inner'] });
    install('outer/node_modules/inner', { scripts: { install: 'x' } });
    install('outer/node_modules/other', { scripts: { install: 'y' } });
    expect(found()).toEqual({ outer: undefined, inner: undefined, other: 'y' });
  });

  test('are known by their folder: what a package calls itself may be another’s name', () => {
    install('evil', { name: 'trusted', scripts: { install: 'x' } });
    expect(found()).toEqual({ evil: 'x' });
  });

  test('a folder without a readable package.json is no package; none at all is none', () => {
    mkdirSync(join(modules, 'empty'));
    mkdirSync(join(modules, '.bin'));
    expect(findGlobal(modules)).toEqual([]);
    expect(findGlobal(join(modules, 'nowhere'))).toEqual([]);
  });

  test('their commands are those of `bin`, a single one being called like the package', () => {
    install('one', { name: 'one', bin: 'cli.js' });
    install('@scope/two', { name: '@scope/two', bin: './cli.js' });
    install('many', { bin: { a: 'a.js', b: 'b.js' } });
    const commands = Object.fromEntries(findGlobal(modules).map((each) => [each.name, each.commands]));
    expect(commands).toEqual({ one: ['one'], '@scope/two': ['two'], many: ['a', 'b'] });
  });
});
