import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { BerthError, describeError } from '../src/errors.ts';
import { hideSecrets, keepSecret } from '../src/secrets.ts';

const SECRET = 'canary-"quoted"-\\-4711';

test('a secret is hidden wherever it stands, also as JSON writes it', () => {
  keepSecret(SECRET);
  expect(hideSecrets(`a ${SECRET} b ${SECRET}`)).toBe('a [secret] b [secret]');
  expect(hideSecrets(JSON.stringify({ words: `a ${SECRET} b` }))).toBe('{"words":"a [secret] b"}');
  expect(hideSecrets('nothing of it')).toBe('nothing of it');
});

test('what is too short to be a secret does not eat words', () => {
  keepSecret('t');
  keepSecret(undefined);
  expect(hideSecrets('the token')).toBe('the token');
});

test('no error bears one, whoever said it', () => {
  keepSecret(SECRET);
  const error = new BerthError('E_ENGINE_REFUSED', `the engine said: ${SECRET}`);
  for (const text of [error.message, error.stack ?? '', describeError(error)])
    expect([text.includes('[secret]'), text.includes(SECRET)]).toEqual([true, false]);
});

test('no line of the log bears one: by value, in an error and its cause, and by key', () => {
  const script = `
    import { createLog } from './src/log.ts';
    import { loadConfig } from './src/config.ts';
    loadConfig({ BERTH_HTTP_TOKEN: process.env.SECRET }, '/nowhere');
    const log = createLog('info');
    const cause = new Error('it sent ' + process.env.SECRET);
    log.error({ err: new Error('a library said ' + process.env.SECRET, { cause }), token: 'abc', deep: { apiKey: 'abc' } }, 'x ' + process.env.SECRET);`;
  const line = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: new URL('..', import.meta.url).pathname,
    env: { PATH: process.env.PATH, SECRET },
    encoding: 'utf8',
  });
  expect(line).not.toMatch(/canary|4711|abc/);
  expect(JSON.parse(line)).toMatchObject({
    msg: 'x [secret]',
    token: '[secret]',
    deep: { apiKey: '[secret]' },
    err: { message: expect.stringContaining('a library said [secret]') },
  });
});
