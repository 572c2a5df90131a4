import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asBerthError, BerthError, describeError, errorKinds } from '../src/errors.ts';

test('docs/errors.md and the codes agree', () => {
  const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `E_'));
  const expected = Object.entries(errorKinds).map(
    ([code, { status, cause, remedy }]) => `| \`${code}\` | ${status} | ${cause} | ${remedy} |`,
  );
  expect(rows).toEqual(expected);
});

test('an error says what happened, what to do, and its code', () => {
  const error = new BerthError('E_NO_HOST', 'nobody listens');
  expect(error.status).toBe(503);
  expect(describeError(error)).toBe('nobody listens. Start it with `npm start`. [E_NO_HOST]');
});

test('a full disk is recognised, whatever met it', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'SQLITE_FULL']) {
    const cause = Object.assign(new Error('no space'), { code });
    expect(asBerthError(cause, 'E_LEDGER')).toMatchObject({ code: 'E_DISK_FULL', status: 507, cause });
  }
});

test('what is no error of ours gets the code that its place gives it, with the cause', () => {
  const cause = new Error('odd');
  expect(asBerthError(cause)).toMatchObject({ code: 'E_INTERNAL', message: 'odd', cause });
  expect(asBerthError(cause, 'E_LEDGER').code).toBe('E_LEDGER');
  expect(asBerthError('thrown text').message).toBe('thrown text');
  expect(asBerthError(undefined).code).toBe('E_INTERNAL');
});
