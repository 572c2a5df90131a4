import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAptItem } from '../src/images/apt-item.ts';
import { dockerfile } from '../src/images/dockerfile.ts';
import { imageHash, imageSpec, isPlain, specKey } from '../src/images/image-spec.ts';
import { readNpmItem } from '../src/images/npm-item.ts';

const nothing = { apt: [], npm: [], scripts: [] };

/** The message of the refusal; fails when there is none. */
function refusal(
  declared: Partial<typeof nothing> | { apt?: string[]; npm?: string[]; scripts?: string[] },
): string {
  try {
    imageSpec({ ...nothing, ...declared });
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_IMAGE_SPEC' });
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

describe('Debian packages', () => {
  test.each([
    ['jq'],
    ['g++'],
    ['libstdc++6'],
    ['python3.11'],
    ['0ad'],
    ['curl=7.88*'],
    ['curl=7.88.1-10+deb12u5'],
    ['git=1:2.39.2-1.1'],
    ['foo=1.0~rc1-1'],
  ])('%s is one', (item) => {
    expect(readAptItem(item)).toMatchObject({ word: item });
  });

  test.each([
    ['curl; rm -rf /', 'the name of a Debian package has only'],
    ['$(id)', 'the name of a Debian package has only'],
    ['`id`', 'the name of a Debian package has only'],
    ['-oAPT::x', 'the name of a Debian package has only'],
    ['-oAPT::x=1', 'the name of a Debian package has only'],
    ['--allow-unauthenticated', 'the name of a Debian package has only'],
    ['../x', 'the name of a Debian package has only'],
    ['./x.deb', 'the name of a Debian package has only'],
    ['?installed', 'the name of a Debian package has only'],
    ['~nfoo', 'the name of a Debian package has only'],
    ['jq/bookworm', 'the name of a Debian package has only'],
    ['jq:amd64', 'the name of a Debian package has only'],
    ['lib*', 'the name of a Debian package has only'],
    ['j', 'at least two'],
    ['', 'the name of a Debian package has only'],
    ['Jq', 'no capital letters'],
    ['git-', 'order to remove'],
    ['jq=1.6-', 'order to remove'],
    ['jq=1.6+', 'is not a Debian version'],
    ['jq=', 'is not a Debian version'],
    ['jq=*', 'is not a Debian version'],
    ['jq=1.6 curl', 'is not a Debian version'],
    ['jq=1.6=2', 'more than one `=`'],
    ['jq\ncurl', 'the name of a Debian package has only'],
  ])('%j is none', (item, why) => {
    expect(readAptItem(item)).toEqual({ problem: expect.stringContaining(why) });
    expect(refusal({ apt: [item] })).toContain(`image.apt: ${JSON.stringify(item)}: `);
  });
});

describe('npm packages', () => {
  test.each([
    ['cowsay'],
    ['cowsay@1.6.0'],
    ['cowsay@latest'],
    ['cowsay@^1.6'],
    ['cowsay@~1.6.0'],
    ['cowsay@1.x'],
    ['cowsay@*'],
    ['cowsay@>=1.2.0 <2.0.0'],
    ['cowsay@1 || 2'],
    ['cowsay@1.2.0 - 1.6.0'],
    ['cowsay@v1.6.0-rc.1+build.5'],
    ['@anthropic-ai/claude-code@2'],
    ['@types/node'],
    ['JSONStream'],
    ['lodash.merge'],
  ])('%s is one', (item) => {
    expect(readNpmItem(item)).toMatchObject({ word: item });
  });

  test('spaces in a range are brought in order', () => {
    expect(readNpmItem('cowsay@ >= 1.2.0   < 2')).toMatchObject({
      name: 'cowsay',
      word: 'cowsay@>= 1.2.0 < 2',
    });
  });

  test.each([
    ['--registry=http://evil.example', 'like an option'],
    ['-g', 'like an option'],
    ['../x', 'a path, a file or an address'],
    ['./x', 'a path, a file or an address'],
    ['/etc/passwd', 'a path, a file or an address'],
    ['~/x', 'a path, a file or an address'],
    ['x.tgz', 'a path, a file or an address'],
    ['x.tar.gz@1', 'a path, a file or an address'],
    ['git+ssh://git@example.com/x.git', 'a path, a file or an address'],
    ['https://example.com/x', 'a path, a file or an address'],
    ['user/repository', 'a path, a file or an address'],
    ['github:user/repository', 'a path, a file or an address'],
    ['x@npm:y@1', 'an address or a path'],
    ['x@file:../y', 'an address or a path'],
    ['x@git+ssh://git@example.com/y.git', 'an address or a path'],
    ['x@https://example.com/y.tgz', 'an address or a path'],
    ['x@user/repository', 'an address or a path'],
    ['x@y.tgz', 'not a version, a range or a tag'],
    ['x@', 'not a version, a range or a tag'],
    ['x@$(id)', 'not a version, a range or a tag'],
    ['x@1; rm -rf /', 'an address or a path'],
    ['x@1 && id', 'not a version, a range or a tag'],
    ['x@1.2.3 --registry=y', 'not a version, a range or a tag'],
    ['$(id)', 'not the name of an npm package'],
    ['curl; rm -rf .', 'not the name of an npm package'],
    ["x'y", 'not the name of an npm package'],
    ['x*', 'not the name of an npm package'],
    ['_x', 'not the name of an npm package'],
    ['node_modules', 'not the name of an npm package'],
    ['@scope', 'not the name of an npm package'],
    ['@/x', 'not the name of an npm package'],
    ['', 'not the name of an npm package'],
    ['x\ny', 'not the name of an npm package'],
    ['a'.repeat(215), 'more than 214'],
  ])('%j is none', (item, why) => {
    expect(readNpmItem(item)).toEqual({ problem: expect.stringContaining(why) });
  });

  test.each([['esbuild@1'], ['-x'], ['$(id)']])('as a name of scripts %j is none', (item) => {
    expect(refusal({ npm: ['esbuild'], scripts: [item] })).toContain('image.scripts: ');
  });
});

describe('a declaration', () => {
  test('is sorted, and each package is in it once', () => {
    const spec = imageSpec({ apt: ['jq', ' curl', 'jq'], npm: ['b', 'a@1'], scripts: ['b', 'a'] });
    expect(spec).toEqual({ apt: ['curl', 'jq'], npm: ['a@1', 'b'], scripts: ['a', 'b'] });
    expect(isPlain(spec)).toBe(false);
  });

  test('of nothing is the base image', () => {
    expect(isPlain(imageSpec(nothing))).toBe(true);
  });

  test('with the same package and two pins says which', () => {
    expect(refusal({ apt: ['jq=1.6', 'jq=1.7'] })).toBe(
      'image.apt: jq is declared twice: "jq=1.6" and "jq=1.7"',
    );
    expect(refusal({ npm: ['cowsay', 'cowsay@1'] })).toContain('declared twice');
  });

  test('of 500 packages says how many are allowed and what to do', () => {
    const apt = Array.from({ length: 500 }, (_, index) => `package${index}`);
    expect(refusal({ apt })).toMatch(
      /500 packages are declared, at most 200 are allowed: .*BERTH_BASE_IMAGE/,
    );
  });

  test('with many mistakes names some and counts the rest', () => {
    const apt = Array.from({ length: 30 }, (_, index) => `-o${index}`);
    expect(refusal({ apt })).toMatch(/and 20 more$/);
  });

  test('with scripts and without npm packages is a mistake', () => {
    expect(refusal({ apt: ['jq'], scripts: ['esbuild'] })).toContain('image.npm has none');
  });

  test('its hash is that of what is asked for, in whatever order, and of the base image', () => {
    const hash = (base: string, apt: string[]) => imageHash(base, imageSpec({ ...nothing, apt }));
    expect(hash('sha256:a', ['jq', 'curl'])).toBe(hash('sha256:a', ['curl', 'jq', 'jq']));
    expect(hash('sha256:a', ['jq'])).not.toBe(hash('sha256:b', ['jq']));
    expect(hash('sha256:a', ['jq'])).not.toBe(hash('sha256:a', ['curl']));
    const [apt, npm] = [imageSpec({ ...nothing, apt: ['jq'] }), imageSpec({ ...nothing, npm: ['jq'] })];
    expect(specKey(apt)).not.toBe(specKey(npm));
  });
});

/** Texts near the grammar, so that many are accepted; and any text at all. */
const nearly = (alphabet: string) =>
  fc.string({ unit: fc.constantFrom(...alphabet.split('')), minLength: 1, maxLength: 24 });
const hostile = fc.constantFrom(
  ...[
    '; rm -rf /',
    '$(id)',
    '`id`',
    '" "',
    "' '",
    '\\',
    '\n',
    '\t',
    ' ',
    '|',
    '&&',
    '>x',
    '<x',
    '#',
    '-o',
    '--x',
    ']',
    '["',
  ],
);
const items = (alphabet: string) =>
  fc.oneof(
    nearly(alphabet),
    fc.tuple(nearly(alphabet), hostile, nearly(alphabet)).map((parts) => parts.join('')),
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.string({ unit: 'binary', maxLength: 30 }),
  );
const aptItems = items('abcz09+-.=:~*');
const npmItems = items('abcz09@/.-^~><=| x');

/** The words of a Dockerfile's commands, as the engine reads them: a command that is no JSON list would go to a shell. */
function commands(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('RUN '))
    .map((line) => JSON.parse(line.slice('RUN '.length)) as string[]);
}

describe('no accepted item changes its command', () => {
  test('one word each, behind the end of options, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.array(aptItems, { maxLength: 5 }),
        fc.array(npmItems, { maxLength: 5 }),
        fc.array(npmItems, { maxLength: 3 }),
        (aptGiven, npmGiven, scriptsGiven) => {
          const apt = accepted(aptGiven, (item) => imageSpec({ ...nothing, apt: [item] }).apt);
          const npm = accepted(npmGiven, (item) => imageSpec({ ...nothing, npm: [item] }).npm);
          const scripts =
            npm.length > 0
              ? accepted(
                  scriptsGiven,
                  (item) => imageSpec({ ...nothing, npm: ['x'], scripts: [item] }).scripts,
                )
              : [];
          const text = dockerfile('sha256:0', { apt, npm, scripts }, 'berth-group:0');
          const lines = text.split('\n');
          const runs = (apt.length > 0 ? 1 : 0) + (npm.length > 0 ? 2 : 0);
          expect(lines).toHaveLength(5 + runs);
          const [first, ...rest] = commands(text);
          if (apt.length > 0) {
            expect(first).toEqual(['node', '/opt/berth/image/install-apt.mts', '--', ...apt]);
            expect(first).toHaveLength(3 + apt.length);
          }
          if (npm.length > 0) {
            const last = rest.at(-1) ?? first;
            expect(last).toHaveLength(3 + npm.length + 2 * scripts.length);
            expect(last?.slice(-npm.length - 1)).toEqual(['--', ...npm]);
          }
          expect(commands(text)).toHaveLength(runs);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('an accepted Debian item stays one word and one package to a shell and to apt as well', () => {
    fc.assert(
      fc.property(aptItems, (item) => {
        const found = readAptItem(item);
        if ('problem' in found) return;
        expect(found.word).toMatch(/^[a-z0-9][A-Za-z0-9+.:~*=-]*[A-Za-z0-9+.~*]$/);
        expect(found.word.split('=')[0]).toBe(found.name);
      }),
      { numRuns: 5000 },
    );
  });

  test('an accepted npm item is a package of the registry and nothing else that npm knows', () => {
    fc.assert(
      fc.property(npmItems, (item) => {
        const found = readNpmItem(item);
        if ('problem' in found) return;
        const wanted = found.word.slice(found.name.length + 1);
        expect(found.word.startsWith(found.name)).toBe(true);
        expect(wanted).not.toMatch(/[:/\\'"`$;&#\n\t]|\.(tgz|tar|tar\.gz)$|^[.-]/i);
        expect(found.name.replace(/^@[^/]+\//, '')).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      }),
      { numRuns: 5000 },
    );
  });
});

/** What comes of the items that are accepted, one package each. */
function accepted(given: string[], read: (item: string) => string[]): string[] {
  const words = new Map<string, string>();
  for (const item of given) {
    try {
      for (const word of read(item)) words.set(word.replace(/(?!^)[@=].*/, ''), word);
    } catch {
      // refused: it becomes no command
    }
  }
  return [...words.values()];
}
