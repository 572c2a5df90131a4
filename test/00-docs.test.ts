import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../chaos/failpoints.ts';
import { errorKinds } from '../src/errors.ts';
import { SESSION_STATES } from '../src/ledger/schema.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const pages = globSync(['*.md', 'docs/**/*.md', 'agent-runner/*.md'], { cwd: root }).sort();
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const packageJson: {
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
} = JSON.parse(read('package.json'));
/** Everything that is written by hand here, as far as a document may name it without a folder. */
const sources = globSync(
  [
    '*.{json,ts,cjs,md}',
    '{contract,contract-test,src,agent-runner,bench,test,scripts,container,groups,migrations}/**/*',
  ],
  { cwd: root },
);
/** Variables that some program here reads. */
const variables = new Set(
  globSync(['{contract,src,agent-runner,scripts}/**/*.ts', '.ci/run', 'vitest.config.ts'], {
    cwd: root,
  }).flatMap((path) => read(path).match(/\bBERTH_[A-Z_]*[A-Z]\b/g) ?? []),
);

test('there are documents', () => {
  expect(pages).toEqual(
    expect.arrayContaining(['README.md', 'docs/lifecycle.md', 'docs/decisions/libraries.md']),
  );
});

describe.each(pages)('%s', (page) => {
  const text = read(page);
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');
  const words = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, word]) => word ?? '');

  test('its links lead somewhere', () => {
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
    expect(links.filter((link) => !/^https?:/.test(link) && !leadsSomewhere(page, link))).toEqual([]);
  });

  test('the files that it names exist', () => {
    expect(words.filter((word) => isFile(word) && !exists(page, word))).toEqual([]);
  });

  test('the commands that it names exist', () => {
    const named = [...text.matchAll(/\bnpm run (?:--?\w+ )*([a-z][\w:-]*)( -- [a-z][\w-]*)?/g)];
    const unknown = named.filter(
      ([, script = '', command]) => !isCommand(script, command?.slice(' -- '.length)),
    );
    const door = [...text.matchAll(/`berth ([a-z][a-z-]*)/g)].filter(
      ([, command = '']) => !commands.has(command),
    );
    expect([...unknown, ...door].map(([all]) => all)).toEqual([]);
  });

  test('the codes and variables that it names exist', () => {
    const named = text.match(/\b(E_[A-Z]+(_[A-Z]+)*|BERTH_[A-Z]+(_[A-Z]+)*)\b(?!_|…)/g) ?? [];
    const unknown = named.filter((name) => !(name in errorKinds) && !variables.has(name));
    expect([...new Set(unknown)]).toEqual([]);
  });
});

test('CONTRIBUTING.md has every folder of src/, and no other', () => {
  const rows = [...read('CONTRIBUTING.md').matchAll(/^\| `src\/(?:\{([a-z,]+)\}|([a-z]+)\/)` \|/gm)];
  const named = rows.flatMap(([, several, one = '']) => several?.split(',') ?? [one]);
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(named.sort()).toEqual(folders.map(({ name }) => name).sort());
});

test('docs/lifecycle.md has every state of a session, in order', () => {
  const [, part = ''] = read('docs/lifecycle.md').split('\n## The states of a session\n');
  const rows = [...part.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, state]) => state);
  expect(rows).toEqual([...SESSION_STATES]);
});

test('the failpoints in docs/reliability.md are those of the code', () => {
  const named = [
    ...read('docs/reliability.md').matchAll(/^\| ((?:commit|engine|inbound) \w+(?: container)?) \| \d/gm),
  ];
  const known = new Set([...FAILPOINTS.keys()].map((name) => name.replaceAll('-', ' ')));
  expect(named.length).toBeGreaterThan(0);
  // Faults of the whole engine stand in a table of the same form.
  const faults = ['engine restarted', 'engine killed'];
  const unknown = named.map(([, name = '']) => name).filter((name) => !known.has(`before ${name}`));
  expect(unknown.filter((name) => !faults.includes(name))).toEqual([]);
});

test('docs/decisions/libraries.md has every package of package.json, and no other', () => {
  const [, shipped = '', tools = ''] = read('docs/decisions/libraries.md').split('\n## ');
  const names = (part: string) => [...part.matchAll(/^\| `([^`]+)` \| \S/gm)].map(([, name]) => name);
  expect(names(shipped)).toEqual(Object.keys(packageJson.dependencies));
  expect(names(tools)).toEqual(Object.keys(packageJson.devDependencies));
});

/** The operator's commands, as `berth --help` lists them. */
const commands = new Set(
  [
    ...execFileSync(process.execPath, ['src/main.ts', '--help'], { cwd: root, encoding: 'utf8' }).matchAll(
      /^ {2}([a-z][a-z-]*)\b/gm,
    ),
  ].map(([, name]) => name ?? ''),
);

/** An npm script, and if it stands for a command of `berth`, one that there is. */
function isCommand(script: string, command: string | undefined): boolean {
  const line = packageJson.scripts[script];
  const called = /^node src\/main\.ts(?: ([a-z-]+))?$/.exec(line ?? '');
  if (line === undefined || !called) return line !== undefined;
  const name = called[1] ?? command;
  return name === undefined || commands.has(name);
}

/** A path of this repository, or the bare name of a source file. Patterns, placeholders and what is forbidden are none. */
function isFile(word: string): boolean {
  if (word === 'index.ts' || /[*{}<>…\s$]|^\/|^~/.test(word)) return false;
  const top = word.split('/')[0] ?? '';
  const ours =
    /^(\.ci|agent-runner|bench|contract|container|docs|migrations|scripts|src|test)$/.test(top) &&
    /\//.test(word);
  return ours || /^[a-z0-9][\w.-]*\.(ts|cjs|mts)$/.test(word);
}

function exists(page: string, path: string): boolean {
  if (existsSync(join(root, path)) || existsSync(join(root, dirname(page), path))) return true;
  return sources.some((source) => source === path || source.endsWith(`/${path}`));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (relative(root, target).startsWith('..') || !existsSync(target)) return false;
  return anchor === undefined || anchors(readFileSync(target, 'utf8')).includes(anchor);
}

/** Headings as GitHub makes anchors of them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}
