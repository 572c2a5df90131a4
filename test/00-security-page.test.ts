import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { attempts } from './isolation/fixtures/escape-attempts.ts';

const root = new URL('../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const page = read('docs/security.md');

/** The rows of the table in a section, as cells. */
function table(title: string): string[][] {
  const section = page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (item|attempt) /.test(line))
    .map((line) => line.slice(2, -2).split(' | '));
}

test('every test that the page names for its hardening exists, and none is left out', () => {
  const tests = read('test/isolation/hardening.container.test.ts');
  const titles = [...tests.matchAll(/\btest\(\s*(["'])(.*?)\1,/g)].map(([, , title]) => title ?? '');
  const named = table('Hardening').map((cells) => cells.at(-1) ?? '');
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((title) => !titles.includes(title))).toEqual([]);
});

test('every item of the benchmark is named once', () => {
  const items = table('Hardening').flatMap(([item = '']) => item.match(/5\.\d+/g) ?? []);
  const others = (page.split("\nNot Berth's: ")[1]?.split('\n\n')[0] ?? '').match(/5\.\d+/g) ?? [];
  const all = [...items, ...others].map((item) => Number(item.slice(2))).sort((one, other) => one - other);
  expect(all).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
});

test('every attempt to escape is named, with what bubblewrap does not hold', () => {
  expect(table('Escapes')).toEqual(
    attempts.map(({ name, withoutContainer }) => [
      name,
      withoutContainer ? `no: ${withoutContainer}` : 'held',
    ]),
  );
  expect(attempts.length).toBeGreaterThanOrEqual(18);
});

test('the files of tests that it names exist', () => {
  const named = [...new Set(page.match(/\btest\/[\w./-]+\.ts/g))];
  expect(named.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  expect(named.length).toBeGreaterThan(4);
});
