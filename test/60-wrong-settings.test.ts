import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { startHost } from './fixtures/host-process.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const NOWHERE = 'unix:///nowhere/engine.sock';

let root: string;
let env: Record<string, string>;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-wrong-'));
  await mkdir(join(root, 'groups', 'demo'), { recursive: true });
  await writeFile(join(root, 'groups', 'demo', 'group.yaml'), 'name: Demo\nagent: {provider: echo}\n');
  env = {
    BERTH_DATA_DIR: join(root, 'data'),
    BERTH_GROUPS_DIR: join(root, 'groups'),
    BERTH_ENGINE: 'process',
    BERTH_HTTP_PORT: '0',
  };
});

afterEach(() => rm(root, { recursive: true, force: true }));

describe('no engine', () => {
  test.each(['auto', 'docker'])('headless with BERTH_ENGINE=%s: it says so and ends', async (engine) => {
    const ended = await runBerth(['host'], { env: { ...env, BERTH_ENGINE: engine, DOCKER_HOST: NOWHERE } });
    expectRefusal(
      ended,
      'E_ENGINE_UNREACHABLE',
      `no container engine at ${NOWHERE}: there is no such socket`,
    );
    expect(ended.stdout).not.toContain('host ready');
  });

  test('an engine whose socket nobody serves is no engine either', async () => {
    const file = join(root, 'engine.sock');
    await writeFile(file, '');
    const ended = await runBerth(['host'], {
      env: { ...env, BERTH_ENGINE: 'auto', DOCKER_HOST: `unix://${file}` },
    });
    expectRefusal(ended, 'E_ENGINE_UNREACHABLE', 'engine.sock');
  });

  test('the demo goes on without a container and says so; with BERTH_ENGINE=docker it does not', async () => {
    const withoutEngine = { ...env, DOCKER_HOST: NOWHERE };
    const embedded = await runBerth(['demo', 'hello'], { env: { ...withoutEngine, BERTH_ENGINE: 'auto' } });
    expect(embedded).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect(embedded.stderr).toMatch(/^Warning: this is no container[^\n]*\n/);
    const strict = await runBerth(['demo', 'hello'], { env: { ...withoutEngine, BERTH_ENGINE: 'docker' } });
    expectRefusal(strict, 'E_ENGINE_UNREACHABLE', NOWHERE);
    expect(strict.stdout).toBe('');
  });
});

describe('wrong settings', () => {
  test.each([
    ['BERTH_HTTP_PORT', 'abc', 'allowed: a whole number from 0 to 65535'],
    ['BERTH_ENGINE', 'kubernetes', '`auto`, `docker`, `process`'],
    ['BERTH_MAX_QUEUE', '0', 'allowed'],
    ['BERTH_MAX_FILE', 'plenty', 'allowed'],
    ['BERTH_STOP_GRACE', '3 weeks', 'allowed'],
    ['DOCKER_HOST', 'ssh://elsewhere', 'allowed'],
    ['BERTH_HTTP_PROT', '8787', 'did you mean BERTH_HTTP_PORT?'],
  ])('%s=%s', async (name, value, words) => {
    for (const command of [['host'], ['demo', 'hello'], ['status']]) {
      const ended = await runBerth(command, { env: { ...env, [name]: value } });
      expectRefusal(ended, 'E_CONFIG', name);
      expect(ended.stderr).toContain(words);
      expect(ended.stdout).toBe('');
    }
  });

  test('all that is wrong is named in one line; a secret is not shown', async () => {
    const wrong = { BERTH_HTTP_PORT: '-1', BERTH_LOG_LEVEL: 'loud\nly', BERTH_HTTP_TOKEN: 'hush hush' };
    const ended = await runBerth(['host'], { env: { ...env, ...wrong } });
    expectRefusal(ended, 'E_CONFIG', /BERTH_HTTP_PORT.*BERTH_HTTP_TOKEN.*BERTH_LOG_LEVEL/);
    expect(ended.stderr).not.toContain('hush');
  });

  test('a groups folder that is not there, or is a file', async () => {
    for (const folder of [join(root, 'nothing'), join(root, 'groups', 'demo', 'group.yaml')]) {
      const ended = await runBerth(['host'], { env: { ...env, BERTH_GROUPS_DIR: folder } });
      expectRefusal(ended, 'E_CONFIG', `the groups folder ${folder} cannot be read`);
    }
  });

  test('a command that there is not, or an option, is wrong usage', async () => {
    for (const words of [['hots'], ['host', '--loud'], ['logs'], []]) {
      const ended = await runBerth(words, { env });
      expect(ended).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr).not.toMatch(/^ +at /m);
    }
  });
});

test('a port in use: the second host ends and names it, the first goes on answering', async () => {
  const first = await startHost({ groups: { demo: 'name: Demo\n' }, env: { BERTH_ENGINE: 'process' } });
  try {
    const { port } = new URL(first.url);
    const ended = await runBerth(['host'], { env: { ...env, BERTH_HTTP_PORT: port } });
    expectRefusal(ended, 'E_PORT_IN_USE', `another program listens on 127.0.0.1:${port}`);
    expect(ended.stdout).not.toContain('host ready');
    expect(await first.ask('demo', 'other', 'still there?')).toMatchObject({ text: 'still there?' });
  } finally {
    await first.dispose();
  }
  const free = await startHost({ groups: { demo: 'name: Demo\n' }, env, start: false });
  await free.start({ BERTH_DATA_DIR: join(root, 'data'), BERTH_HTTP_PORT: new URL(free.url).port });
  expect(await free.ask('demo', 'one', 'and now?')).toMatchObject({ text: 'and now?' });
  await free.dispose();
});
