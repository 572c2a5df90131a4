import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';

const repository = new URL('..', import.meta.url).pathname;
const WORDS = 'gives every conversation its own container';

/** In seconds. */
const LONG_AGO = 1_000_000;

let folder: string;

/** A checkout of its own, after `npm ci`. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-one-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const part of ['src', 'contract', 'scripts', 'migrations', 'package.json'])
    cpSync(join(repository, part), join(folder, part), { recursive: true });
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(repository, 'node_modules')))
    if (!name.startsWith('.'))
      symlinkSync(join(repository, 'node_modules', name), join(folder, 'node_modules', name));
  copyFileSync(
    join(repository, 'node_modules/.package-lock.json'),
    join(folder, 'node_modules/.package-lock.json'),
  );
  utimesSync(join(folder, 'src/main.ts'), LONG_AGO, LONG_AGO);
  execFileSync(process.execPath, ['scripts/make-programs.ts'], { cwd: folder });
});

function berth(words: string[], env: Record<string, string> = {}): string {
  try {
    const options = { cwd: folder, env: { PATH: process.env.PATH ?? '', ...env }, stdio: 'pipe' } as const;
    return execFileSync(process.execPath, ['src/berth.js', ...words], options).toString();
  } catch (error) {
    return (error as { stderr: Buffer }).stderr.toString();
  }
}

/** Puts other words into a source, as many and as old: nobody can tell, and so it shows what runs. */
function editInSecret(): void {
  const path = join(folder, 'src/main.ts');
  writeFileSync(path, readFileSync(path, 'utf8').replace(WORDS, WORDS.toUpperCase()));
  utimesSync(path, LONG_AGO, LONG_AGO);
}

const kept = () =>
  readdirSync(join(folder, 'node_modules/.cache/berth-programs'))
    .filter((name) => name.endsWith('.code'))
    .map((name) => join(folder, 'node_modules/.cache/berth-programs', name));

describe('berth from one file', () => {
  test('is what runs after npm ci, and an edited source runs from then on', () => {
    editInSecret();
    expect(berth(['--help'])).toContain(WORDS);
    utimesSync(join(folder, 'src/main.ts'), LONG_AGO, LONG_AGO + 1);
    expect(berth(['--help'])).toContain(WORDS.toUpperCase());
  });

  test.each([
    ['packages were installed anew', () => utimesSync(join(folder, 'node_modules/.package-lock.json'), 1, 1)],
    ['the checkout was moved', () => move()],
    ['any other source is another', () => utimesSync(join(folder, 'src/errors.ts'), 1, 1)],
  ])('is not when %s', (_when, change) => {
    editInSecret();
    change();
    expect(berth(['--help'])).toContain(WORDS.toUpperCase());
  });

  test('says of wrong input what the sources say', () => {
    const wrong = { BERTH_HTTP_PORT: 'x', BERTH_LOG_LEVEL: 'loud', BERTH_DATA_DIR: join(folder, 'data') };
    const said = [berth(['status'], wrong), berth(['status']), berth(['statu'])];
    expect(said.join('')).toMatch(/E_CONFIG.*E_NO_HOST.*unknown command 'statu'/s);
    rmSync(join(folder, 'node_modules/.cache'), { recursive: true });
    expect([berth(['status'], wrong), berth(['status']), berth(['statu'])]).toEqual(said);
  });

  test('keeps what was compiled for each command, and does without what is spoilt', () => {
    berth(['versoin']);
    expect(kept()).toEqual([]);
    const [help, version] = [berth(['--help']), berth(['--version'])];
    const files = kept();
    expect(files).toHaveLength(2);
    const before = files.map((file) => statSync(file).mtimeMs);
    expect(berth(['--help'])).toBe(help);
    expect(files.map((file) => statSync(file).mtimeMs)).toEqual(before);
    for (const file of files) truncateSync(file, statSync(file).size / 2);
    expect(berth(['--help'])).toBe(help);
    for (const file of files) writeFileSync(file, 'x'.repeat(1000));
    expect([berth(['--help']), berth(['--version'])]).toEqual([help, version]);
  });
});

function move(): void {
  const now = `${folder}-moved`;
  renameSync(folder, now);
  folder = now;
  onTestFinished(() => rmSync(now, { recursive: true, force: true }));
}
