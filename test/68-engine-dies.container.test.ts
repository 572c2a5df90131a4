import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { containersOf } from './fixtures/containers-of.ts';
import { type HostProcess, startHost, waitUntil } from './fixtures/host-process.ts';
import { openSocketProxy, type SocketProxy } from './fixtures/socket-proxy.ts';

const ENGINE_SOCKET = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');
const SLOW = { yaml: 'name: Slow\nagent: {command: [sh, -c, "sleep 1; echo done"]}\n', workspace: {} };
/** Notes each turn that it begins, and sleeps soon. */
const NOTES = {
  yaml: 'name: Notes\nagent: {command: [sh, -c, "echo begun >> /group/turns; sleep 1; echo done"]}\nidle: {freeze: off, stop: 1s}\n',
  workspace: {},
};

let folder: string;
let proxy: SocketProxy;
let host: HostProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-dies-'));
  const socket = join(folder, 'engine.sock');
  proxy = await openSocketProxy(socket, ENGINE_SOCKET);
  host = await startHost({
    groups: {
      ...{ demo: 'name: Demo\n', slow: SLOW, notes: NOTES },
      brief: 'name: Brief\nidle: {freeze: off, stop: 1s}\n',
    },
    env: { DOCKER_HOST: `unix://${socket}` },
  });
});

afterEach(async () => {
  // Also where the test ended in between: with the engine the host can tidy up.
  await proxy.cut();
  await proxy.restore();
  await host.dispose();
  await proxy.cut();
  await rm(folder, { recursive: true, force: true });
  expect(await containersOf(host)).toEqual([]);
});

async function readiness() {
  const response = await fetch(`${host.url}/readyz`);
  return { status: response.status, body: await response.json() };
}

async function failsToWake(group: string, chat: string) {
  const began = performance.now();
  const event = await host.ask(group, chat, 'hello', 10_000);
  expect(event).toMatchObject({ type: 'failure', code: 'E_ENGINE_UNREACHABLE' });
  expect(event.reason).toContain('engine.sock');
  expect(performance.now() - began).toBeLessThan(10_000);
  return event.answers[0] ?? '';
}

function isAwake(session: string): Promise<void> {
  return waitUntil('the session to be awake', 20_000, async () => {
    const { body } = await host.request<{ state: string }>('GET', `/v1/sessions/${session}`);
    return body.state === 'awake';
  });
}

test('who waits is told; back again it serves the next message and those that wait', async () => {
  expect(await readiness()).toMatchObject({ status: 200 });
  expect(await host.ask('demo', 'awake', 'before')).toMatchObject({ text: 'before' });
  await proxy.cut();
  expect(await readiness()).toMatchObject({
    status: 503,
    body: { error: { code: 'E_ENGINE_UNREACHABLE' } },
  });
  expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
  const first = await failsToWake('demo', 'waits');
  const alone = await failsToWake('slow', 'waits');
  const second = await failsToWake('demo', 'waits');
  const { body } = await host.request<{
    sessions: { state: string; lastError: object | null; queue: number }[];
  }>('GET', '/v1/sessions');
  const failed = body.sessions.filter(({ state }) => state === 'failed');
  expect(failed).toMatchObject([1, 2].map(() => ({ lastError: { code: 'E_ENGINE_UNREACHABLE' } })));
  expect(failed.map(({ queue }) => queue).toSorted()).toEqual([1, 2]);
  // A container that lives needs no engine to answer.
  expect(await host.ask('demo', 'awake', 'meanwhile')).toMatchObject({ text: 'meanwhile' });

  await proxy.restore();
  expect(await readiness()).toMatchObject({ status: 200 });
  expect(await host.ask('demo', 'new', 'hello')).toMatchObject({ text: 'hello' });
  expect(await host.ask('demo', 'waits', 'again')).toMatchObject({ text: 'again' });
  const events = await host.events('demo', 'waits');
  const replies = events.filter(({ type }) => type === 'message');
  expect(replies.flatMap(({ answers }) => answers).slice(0, 2)).toEqual([first, second]);
  expect(replies).toHaveLength(3);
  // Nobody writes in this session any more: it is tried again by itself.
  const last = await host.waitForEvents(
    'slow',
    'waits',
    (all) => all.some(({ type }) => type === 'message'),
    45_000,
  );
  expect(last.filter(({ type }) => type === 'message')).toMatchObject([{ text: 'done', answers: [alone] }]);
}, 90_000);

test('a container that dies while the engine is away is noticed once it is back', async () => {
  const { body } = await host.post('slow', 'one', 'hello');
  await isAwake(body.session);
  await proxy.cut();
  const { docker, close } = connectDocker(process.env.DOCKER_HOST);
  for (const name of await containersOf(host)) await docker.getContainer(name).remove({ force: true });
  close();
  const { body: second } = await host.post('slow', 'one', 'are you there?');
  expect(await host.events('slow', 'one')).toEqual([]);

  await proxy.restore();
  const events = await host.waitForEvents('slow', 'one', (all) => all.length >= 2);
  expect(events).toMatchObject([
    { text: 'done', answers: [body.message] },
    { text: 'done', answers: [second.message] },
  ]);
  expect(await host.ask('demo', 'other', 'hello')).toMatchObject({ text: 'hello' });
});

test('a session that should sleep while the engine is away leaves nothing behind', async () => {
  await host.ask('brief', 'one', 'hello');
  await proxy.cut();
  await waitUntil('the stop', 20_000, () =>
    host.log.some(({ msg }) => String(msg) === 'stopping the container failed'),
  );
  await proxy.restore();
  expect(await host.ask('brief', 'one', 'again')).toMatchObject({ text: 'again', event: 2 });
  expect(await containersOf(host)).toHaveLength(1);
  expect(await host.ask('demo', 'other', 'hello')).toMatchObject({ text: 'hello' });
});

test('a container that outlived its stop takes up nothing that was written for the next one', async () => {
  await host.ask('notes', 'one', 'hello');
  await proxy.cut();
  await waitUntil('sleep', 20_000, () => host.log.some(({ msg }) => msg === 'session asleep'));
  await proxy.restore();
  expect(await host.ask('notes', 'one', 'again')).toMatchObject({ text: 'done', event: 2 });
  const turns = await readFile(join(host.groupsDir, 'notes', 'workspace', 'turns'), 'utf8');
  expect(turns).toBe('begun\nbegun\n');
});

test('SIGTERM while the engine is away ends the host; the next one removes what was left', async () => {
  const { body } = await host.post('slow', 'one', 'hello');
  await host.ask('demo', 'one', 'hello');
  await isAwake(body.session);
  await proxy.cut();
  const began = performance.now();
  expect(await host.kill('SIGTERM')).toBe(0);
  expect(performance.now() - began).toBeLessThan(15_000);
  const left = await containersOf(host);
  expect(left).toHaveLength(2);
  await proxy.restore();
  await host.start();
  expect(host.log).toContainEqual(
    expect.objectContaining({ msg: 'containers of an earlier host', adopted: 0, removed: left.length }),
  );
  const [event] = await host.waitForEvents('slow', 'one', (all) => all.length > 0);
  expect(event).toMatchObject({ text: 'done', answers: [body.message] });
  expect(await host.ask('demo', 'one', 'again')).toMatchObject({ text: 'again', event: 2 });
});
