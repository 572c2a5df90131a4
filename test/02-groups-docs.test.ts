import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { groupShape } from '../src/groups/group-shape.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { providers } from '../src/groups/providers.ts';

const page = readFileSync(new URL('../docs/groups.md', import.meta.url), 'utf8');
const context = { folder: 'demo', file: 'demo/group.yaml', home: '/home/me', timezone: 'UTC' };
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| /, '').replace(/ \|$/, '')))
  .map(([key, value, allowed]) => ({
    key: unquoted(key),
    value: value === '—' ? undefined : unquoted(value),
    allowed,
  }));

test('the table has every key of the shape, in its order, and no other', () => {
  const shape = groupShape({ providers: Object.keys(providers), home: '/' });
  expect(rows.map(({ key }) => key)).toEqual(
    keysOf(shape).filter((key) => key !== 'agent' && key !== 'image' && key !== 'limits'),
  );
});

test.each(rows.filter(({ value }) => value !== undefined))(
  'the default of $key is $value',
  ({ key, value }) => {
    const [outer = '', inner] = key.replace('[]', '').split('.');
    const item = inner === undefined ? value : `{ ${inner}: ${value} }`;
    const others =
      key === 'mounts[].readonly'
        ? ['mounts: [{ host: /x, name: x }]', `mounts: [{ host: /x, name: x, readonly: ${value} }]`]
        : undefined;
    const [without, with_] = others ?? ['', `${outer}: ${item}`];
    expect(parseGroup(`name: Demo\n${with_}`, context)).toEqual(
      parseGroup(`name: Demo\n${without}`, context),
    );
  },
);

test.each([
  ['agent.provider', Object.keys(providers)],
  ['session', ['per-chat', 'per-thread', 'shared']],
])('the table names all values of %s', (key, values) => {
  expect(rows.find((row) => row.key === key)?.allowed).toBe(values.map((value) => `\`${value}\``).join(', '));
});

test('the example is valid', () => {
  const [example = ''] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  expect(parseGroup(example, context)).toMatchObject({
    name: 'Demo',
    agent: { provider: 'command' },
    env: { FAVOURITE: 'blue' },
  });
});

test('the message that is shown is the one that is given', () => {
  const text = 'name: A\nagent:\n\n\n  modle: x\nlimits: { memory: 2x }\n';
  expect(() => parseGroup(text, context)).toThrow([...page.matchAll(/^demo\/group\.yaml:.*$/gm)][0]?.[0]);
});

/** The keys of a shape as people write them, outer before inner. */
function keysOf(type: z.core.$ZodType, prefix = ''): string[] {
  if (type instanceof z.ZodObject) {
    return Object.entries(type.shape).flatMap(([key, inner]) => [
      `${prefix}${key}`,
      ...keysOf(inner as z.core.$ZodType, `${prefix}${key}.`),
    ]);
  }
  if (type instanceof z.ZodArray) return keysOf(type.element, prefix.replace(/\.$/, '[].'));
  if (type instanceof z.ZodUnion) return type.options.flatMap((option) => keysOf(option, prefix));
  if (type instanceof z.ZodOptional || type instanceof z.ZodDefault || type instanceof z.ZodPrefault)
    return keysOf(type.def.innerType, prefix);
  if (type instanceof z.ZodPipe) return keysOf(type.in, prefix);
  return [];
}

function unquoted(cell = ''): string {
  return cell.replace(/^`|`$/g, '');
}
