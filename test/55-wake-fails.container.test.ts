import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

const boom = [
  'name: Boom',
  `runner: [node, -e, "console.error('boom'); process.exit(3)"]`,
  'agent: { provider: echo }',
  '',
].join('\n');

async function groupNames(host: HostRoom): Promise<string[]> {
  const { groups } = JSON.parse((await host.berth('status', '--json')).stdout);
  return groups.map(({ name }: { name: string }) => name);
}

test('a base image that does not exist is built, and who waits is answered', async () => {
  const image = 'berth-test-gone:1';
  const { docker } = connectDocker(process.env.DOCKER_HOST);
  const host = await openHostRoom({ groups: { echo: echo() }, env: { BERTH_BASE_IMAGE: image } });
  onTestFinished(() => docker.getImage(image).remove({ force: true }));

  const event = await host.ask('echo', 'one', 'hello', 120_000);

  expect(event).toMatchObject({ type: 'message', text: 'hello' });
  expect((await docker.getImage(image).inspect()).Config.Labels?.['berth.contract']).toBe('1');
});

test('a runner that exits at once: told with its code and last words; other groups are answered', async () => {
  const host = await openHostRoom({ groups: { boom, echo: echo() } });
  const { body } = await host.post('boom', 'one', 'hello');
  expect(await host.ask('echo', 'one', 'well')).toMatchObject({ type: 'message', text: 'well' });

  const [event, ...others] = await host.waitForEvents('boom', 'one', (all) => all.length > 0, 10_000);

  expect(others).toEqual([]);
  expect(event).toMatchObject({ type: 'failure', code: 'E_CONTAINER_EXITED', answers: [body.message] });
  expect(event?.reason).toMatch(/exited with code 3[\s\S]*boom/);
  const session = await host.waitForState(body.session, 'failed');
  expect(session).toMatchObject({ queue: 1, lastError: { code: 'E_CONTAINER_EXITED' } });
  const ofBoom = async () =>
    (await host.containers()).filter(({ Labels }) => Labels['berth.group'] === 'boom');
  await waitUntil('its container to be gone', 10_000, async () => (await ofBoom()).length === 0);
});

test('each message to a session that cannot start is told of it once', async () => {
  const host = await openHostRoom({ groups: { boom } });
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push((await host.post('boom', 'one', `message ${i}`)).body.message);
    await host.waitForEvents('boom', 'one', (all) => all.length > i, 10_000);
  }

  const events = await host.events('boom', 'one');

  expect(events.map(({ inReplyTo }) => inReplyTo)).toEqual(ids);
  expect(new Set(events.map(({ code }) => code))).toEqual(new Set(['E_CONTAINER_EXITED']));
});

test('a group that is put right meanwhile: the next message is answered, and those before', async () => {
  const host = await openHostRoom({ groups: { group: boom } });
  await host.post('group', 'one', 'first');
  await host.waitForEvents('group', 'one', (all) => all.length > 0, 10_000);
  await host.writeGroup('group', echo());
  await waitUntil('the host to take the edit', 10_000, async () => (await groupNames(host)).includes('Echo'));

  await host.post('group', 'one', 'second');

  const events = await host.waitForEvents('group', 'one', (all) => all.length >= 3);
  expect(events.map(({ text, code }) => text ?? code)).toEqual(['E_CONTAINER_EXITED', 'first', 'second']);
});

test('a runner that never looks: told when the time for its first look is over', async () => {
  const runner = `runner: [node, -e, "console.log('dreaming'); setInterval(() => {}, 1000)"]`;
  const host = await openHostRoom({
    groups: { lazy: `name: Lazy\n${runner}\n` },
    env: { BERTH_START_TIMEOUT: '2s' },
  });
  const { body } = await host.post('lazy', 'one', 'hello');

  const [event] = await host.waitForEvents('lazy', 'one', (all) => all.length > 0, 10_000);

  expect(event).toMatchObject({ type: 'failure', code: 'E_WAKE_TIMEOUT', answers: [body.message] });
  expect(event?.reason).toContain('dreaming');
  await expect.poll(() => host.containers()).toEqual([]);
});

test('a limit that the engine refuses is told in the words of the engine', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('limits: { cpus: 512 }') } });
  const { body } = await host.post('handy', 'one', 'hello');

  const [event] = await host.waitForEvents('handy', 'one', (all) => all.length > 0, 10_000);

  expect(event).toMatchObject({ type: 'failure', code: 'E_ENGINE_REFUSED', answers: [body.message] });
  expect(event?.reason).toMatch(/CPU/i);
});

test('a group that is edited while its container is being made: that container is replaced once it is idle', async () => {
  const engine = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');
  const path = join(tmpdir(), `berth-edit-${process.pid}.sock`);
  const proxy = await openSocketProxy(path, engine);
  onTestFinished(() => proxy.cut());
  const creation = proxy.hold(/^POST \S*\/containers\/create/);
  const blue = handyman('env: { FAVOURITE: blue }');
  const host = await openHostRoom({ groups: { handy: blue }, env: { DOCKER_HOST: `unix://${path}` } });
  const { body } = await host.post('handy', 'one', 'env');
  await creation.met;

  await host.writeGroup('handy', handyman('env: { FAVOURITE: red }').yaml.replace('Handyman', 'Edited'));
  await waitUntil('the host to take the edit', 10_000, async () =>
    (await groupNames(host)).includes('Edited'),
  );
  creation.release();

  const first = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(JSON.parse(first[0]?.text ?? '{}')).toMatchObject({ FAVOURITE: 'blue' });
  await host.waitForState(body.session, 'asleep');
  expect(JSON.parse((await host.ask('handy', 'one', 'env')).text)).toMatchObject({ FAVOURITE: 'red' });
});
