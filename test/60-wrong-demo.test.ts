import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { expectRefusal, type Finished, runBerth } from './fixtures/berth-command.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const BOT = 'name: Demo\nagent: {command: [node, /group/bot.mjs]}\nlimits: {turn: 2s}\n';

let root: string;
let env: Record<string, string>;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-demo-test-'));
  await mkdir(join(root, 'tmp'));
  await mkdir(join(root, 'groups', 'demo', 'workspace'), { recursive: true });
  await cp(
    new URL('./fixtures/wrong-bot.mjs', import.meta.url),
    join(root, 'groups', 'demo', 'workspace', 'bot.mjs'),
  );
  await writeGroup(BOT);
  env = { BERTH_GROUPS_DIR: join(root, 'groups'), BERTH_ENGINE: 'process', TMPDIR: join(root, 'tmp') };
});

/** Whatever went wrong, the demo leaves nothing behind. */
afterEach(async () => {
  const left = await readdir(join(root, 'tmp'));
  await rm(root, { recursive: true, force: true });
  expect(left.filter((name) => name.startsWith('berth-demo-'))).toEqual([]);
});

async function writeGroup(yaml: string): Promise<void> {
  await writeFile(join(root, 'groups', 'demo', 'group.yaml'), yaml);
}

/** What comes after the word that this is no container. */
async function refusal(): Promise<Finished> {
  const { stderr, ...rest } = await runBerth(['demo', 'hello'], { env });
  return { ...rest, stderr: stderr.replace(/^Warning: [^\n]*\n/, '') };
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 0],
] as const)('%s before the chat is open leaves nothing behind', async (signal, code) => {
  // An engine that takes the call and never answers.
  const socket = join(root, 'engine.sock');
  const asked = Promise.withResolvers<void>();
  const engine = createServer(() => asked.resolve()).listen(socket);
  const main = new URL('../src/berth.js', import.meta.url).pathname;
  const hanging = { ...env, PATH: process.env.PATH, BERTH_ENGINE: 'auto', DOCKER_HOST: `unix://${socket}` };
  const demo = spawn(process.execPath, [main, 'demo'], { cwd: '/', env: hanging, stdio: 'ignore' });
  await asked.promise;
  demo.kill(signal);
  expect((await once(demo, 'exit'))[0]).toBe(code);
  engine.close();
});

test('an engine that has no base image, and nothing to make one of: said in one line, and it goes on without', async () => {
  const socket = join(root, 'engine.sock');
  const engine = createHttpServer(({ method, url = '' }: IncomingMessage, response) => {
    const isVersion = method === 'GET' && /^(\/v[\d.]+)?\/version$/.test(url);
    const isPull = method === 'POST' && url.includes('/images/create');
    response.writeHead(isVersion ? 200 : isPull ? 500 : 404, { 'content-type': 'application/json' });
    const version = { Version: '0.0', Arch: process.arch === 'x64' ? 'amd64' : process.arch };
    response.end(
      JSON.stringify(isVersion ? version : { message: isPull ? 'no such host' : 'no such thing' }),
    );
  }).listen(socket);
  onTestFinished(() => void engine.close());
  await mkdir(join(root, 'bin'));
  const mmdebstrap = '#!/bin/sh\necho "E: no permission" >&2\nexit 1\n';
  await writeFile(join(root, 'bin', 'mmdebstrap'), mmdebstrap, { mode: 0o755 });

  const { code, stdout, stderr } = await runBerth(['demo', 'say', 'one'], {
    env: {
      ...env,
      BERTH_ENGINE: 'auto',
      BERTH_BASE_FROM: 'node:none',
      DOCKER_HOST: `unix://${socket}`,
      PATH: `${join(root, 'bin')}:${process.env.PATH}`,
    },
  });

  expect({ code, stdout }).toEqual({ code: 0, stdout: 'one\n' });
  expect(stderr).not.toContain('ExperimentalWarning');
  const told = stderr.split('\n').filter((line) => line.startsWith('No base image'));
  const why = 'node:none cannot be had \\(no such host\\), and mmdebstrap failed: no permission';
  expect(told).toEqual([
    expect.stringMatching(
      `^No base image, so that this goes on without a container: ${why}\\. .*\\[E_BASE_SOURCE\\]$`,
    ),
  ]);
  expect(stderr).toMatch(/^Warning: /m);
});

test('what the engine warns of is said in words', async () => {
  const socket = join(root, 'engine.sock');
  const answers: Record<string, string> = {
    '/version': JSON.stringify({ Version: '0.0', Arch: process.arch === 'x64' ? 'amd64' : process.arch }),
    '/images/berth-base:latest/json': JSON.stringify({ Id: 'sha256:own', Size: 1, Config: { Labels: {} } }),
    '/containers/json': '[]',
    '/networks': '[]',
    '/events': '', // ends at once
  };
  const engine = createHttpServer(({ url = '' }: IncomingMessage, response) => {
    const answer = answers[url.replace(/^\/v[\d.]+/, '').replace(/\?.*/, '')];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(answer ?? JSON.stringify({ message: 'no such thing' }));
  }).listen(socket);
  onTestFinished(() => void engine.close());
  const main = new URL('../src/berth.js', import.meta.url).pathname;
  const given = { ...env, PATH: process.env.PATH, BERTH_ENGINE: 'docker', DOCKER_HOST: `unix://${socket}` };
  const demo = spawn(process.execPath, [main, 'demo'], { cwd: '/', env: given, stdio: 'pipe' });
  const exited = once(demo, 'exit');
  const warned = Promise.withResolvers<void>();
  let stderr = '';
  demo.stderr.on('data', (chunk) => {
    stderr += chunk;
    if (/^Warning: .*\n/m.test(stderr)) warned.resolve();
  });
  await Promise.race([warned.promise, exited]);
  demo.kill('SIGTERM');
  await exited;
  expect(stderr).toMatch(/^Warning: the container engine closed its event stream$/m);
  expect(stderr).not.toContain('[object');
});

test('no group of that name, or a broken one', async () => {
  await writeGroup('name: Demo\nlimits: {memory: lots}\n');
  expectRefusal(await refusal(), 'E_GROUP_CONFIG', /group\.yaml:2: limits\.memory/);
  await rm(join(root, 'groups', 'demo'), { recursive: true });
  expectRefusal(await refusal(), 'E_GROUP_UNKNOWN', 'there is no group "demo"');
});

test.each([
  ['exit 1', 'E_TURN_FAILED', 'the cupboard is bare'],
  ['nothing', 'E_TURN_FAILED', 'printed nothing'],
  ['megabyte', 'E_TURN_FAILED', '256 KiB'],
  ['forever', 'E_TURN_ABORTED', 'limits.turn'],
])('a bot that does "%s": exit 1, one line with the code, nothing on stdout', async (text, code, words) => {
  const { code: exit, stdout, stderr } = await runBerth(['demo', text], { env });
  expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' });
  const told = stderr.split('\n').filter((line) => line.includes(`[${code}]`));
  expect(told).toEqual([expect.stringContaining(words)]);
});

test('from a pipe: the lines after a failure are answered, and the exit code tells of it', async () => {
  const input = 'say one\nexit 1\nsay two\n';
  const { code, stdout, stderr } = await runBerth(['demo'], { env, input });
  expect({ code, stdout }).toEqual({ code: 1, stdout: 'one\ntwo\n' });
  expect(stderr).toContain('[E_TURN_FAILED]');
});

test('an empty pipe is no failure; a message past the limit is', async () => {
  expect(await runBerth(['demo'], { env, input: '' })).toMatchObject({ code: 0, stdout: '' });
  const { code, stdout, stderr } = await runBerth(['demo'], {
    env,
    input: `${'x'.repeat(1_000_000)}\nsay next\n`,
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: 'next\n' });
  expect(stderr).toContain('[E_TOO_LARGE]');
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 0],
] as const)('%s twice in the middle of a turn: it tidies up', async (signal, exit) => {
  const { code, stdout } = await runBerth(['demo'], {
    env,
    input: 'say ready\nforever\n',
    onOutput(_soFar, kill) {
      // npm hands on what the terminal has sent to both of them already.
      kill(signal);
      kill(signal);
    },
  });
  expect({ code, stdout }).toEqual({ code: exit, stdout: 'ready\n' });
});
