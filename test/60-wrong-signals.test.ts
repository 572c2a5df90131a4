import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type HostProcess, startHost, waitUntil } from './fixtures/host-process.ts';
import { rawRequest } from './fixtures/raw-http.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const UPLOADS = '/v1/groups/demo/chats/one/uploads?name=a.bin';

let host: HostProcess;

beforeEach(async () => {
  const slow = { yaml: 'name: Slow\nagent: {command: [sh, -c, "sleep 1; echo done"]}\n', workspace: {} };
  host = await startHost({ groups: { demo: 'name: Demo\n', slow }, env: { BERTH_ENGINE: 'process' } });
});

afterEach(() => host.dispose());

test('signals that come twice: the turn is finished all the same, and the exit code is 0', async () => {
  const { body } = await host.post('slow', 'one', 'hello');
  await waitUntil('the turn', 10_000, () => host.log.some(({ msg }) => msg === 'session awake'));
  const ended = host.kill('SIGTERM');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) host.process().kill(signal);
  expect(await ended).toBe(0);
  expect(host.log.filter(({ msg }) => msg === 'asked to stop')).toHaveLength(1);
  expect(host.stderr()).toBe('');
  await host.start();
  const events = await host.waitForEvents('slow', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ text: 'done', answers: [body.message] }]);
  expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
});

test('killed while uploads lie around and one is under way: the next host uses what is whole', async () => {
  const whole = await rawRequest(host, 'POST', UPLOADS, Buffer.from('content'));
  expect(whole.status).toBe(201);
  const half = request(`${host.url}${UPLOADS}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${host.token}`, 'content-length': 200_000 },
  });
  half.on('error', () => undefined);
  half.write(Buffer.alloc(100_000));
  await waitUntil('half an upload', 10_000, async () => (await uploads()).length === 2);
  await host.kill('SIGKILL');
  half.destroy();

  await host.start();
  expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
  const files = [{ upload: whole.body.upload, name: 'a.bin' }];
  expect((await host.post('demo', 'one', { text: 'whole', files })).status).toBe(202);
  const [event] = await host.waitForEvents('demo', 'one', (all) => all.length > 0);
  expect(event).toMatchObject({ text: 'whole', files: [{ name: 'a.bin', bytes: 7 }] });
});

test('sent to npm start, as a process manager does: the host stops, and npm ends after it, with its exit code', async () => {
  await host.kill('SIGTERM');
  const settings = {
    ...{ BERTH_DATA_DIR: host.dataDir, BERTH_GROUPS_DIR: host.groupsDir, BERTH_ENGINE: 'process' },
    BERTH_HTTP_PORT: new URL(host.url).port,
  };
  const npm = spawn('npm', ['start'], {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  npm.stdout.on('data', (chunk) => {
    log += chunk;
  });
  await waitUntil('the host', 20_000, () => log.includes('"host ready"'));
  npm.kill('SIGTERM');
  // Not before the host has closed its output as well.
  expect(await once(npm, 'close')).toEqual([0, null]);
  expect(log).toContain('"msg":"stopped"');
});

async function uploads(): Promise<string[]> {
  const entries = await readdir(join(host.dataDir, 'uploads'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
