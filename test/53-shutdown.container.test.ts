import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answered, echo, handyman, openHostRoom } from './fixtures/host-room.ts';
import { openSlowEngine } from './fixtures/slow-engine.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const idle = 'idle: { freeze: off, stop: 200ms }';

test('SIGTERM during a turn: its reply is written, nothing is left, the reply is readable after a restart', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'slow 2000');
  await host.waitForState(body.session, 'awake');
  const before = performance.now();

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(performance.now() - before).toBeLessThan(10_000);
  expect(await host.containers()).toEqual([]);
  await host.start();
  const events = await host.events('handy', 'one');
  expect(events.map(({ text, answers }) => ({ text, answers }))).toEqual([
    { text: 'slow 1', answers: [body.message] },
  ]);
  expect(await host.session(body.session)).toMatchObject({ state: 'asleep', epoch: 1, queue: 0 });
});

test('SIGTERM during a turn that takes longer than the grace: it is told to end, and tried again after the restart', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() }, env: { BERTH_STOP_GRACE: '2s' } });
  const { body } = await host.post('handy', 'one', 'slow 6000');
  await host.waitForState(body.session, 'awake');

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(await host.containers()).toEqual([]);
  await host.start();
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ type: 'message', text: 'slow 1', answers: [body.message] }]);
  expect(await host.ask('handy', 'one', 'read /home/agent/told-to-end')).toMatchObject({ text: 'SIGTERM' });
});

test('SIGTERM during a turn of a runner that knows nothing but the contract: its reply is written', async () => {
  const runner = {
    yaml: 'name: Own\nrunner: [node, /group/runner.mjs]\n',
    workspace: {
      'runner.mjs': fixture('stopping-runner.mjs'),
      'own-outbound.mjs': fixture('own-outbound.mjs'),
    },
  };
  const host = await openHostRoom({ groups: { own: runner } });
  const { body } = await host.post('own', 'one', '2000');
  await host.waitForState(body.session, 'awake');

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(await host.containers()).toEqual([]);
  await host.start();
  const events = await host.events('own', 'one');
  expect(events).toMatchObject([{ type: 'message', text: 'after 2000 ms', answers: [body.message] }]);
  expect(await host.session(body.session)).toMatchObject({ state: 'asleep', epoch: 1, queue: 0 });
});

test.each([0, 100, 300, 500])(
  'SIGTERM %i ms after messages to sleeping sessions: exit 0, nothing left, all are answered after the restart',
  async (afterMs) => {
    const host = await openHostRoom({ groups: { echo: echo() } });
    const posts = await Promise.all(['one', 'two', 'three'].map((chat) => host.post('echo', chat, 'hello')));
    await wait(afterMs);

    expect(await host.kill('SIGTERM')).toBe(0);

    expect(await host.containers()).toEqual([]);
    await host.start();
    for (const [index, chat] of ['one', 'two', 'three'].entries()) {
      const events = await host.waitForEvents('echo', chat, (all) => all.length > 0);
      expect(answered(events)).toEqual([posts[index]?.body.message]);
    }
  },
);

test.each([0, 40, 80])(
  'SIGTERM %i ms into the stop of an idle container: exit 0, nothing left',
  async (afterMs) => {
    const host = await openHostRoom({ groups: { echo: echo(idle) } });
    const { body } = await host.post('echo', 'one', 'hello');
    await host.waitForEvents('echo', 'one', (all) => all.length > 0);
    await host.waitForState(body.session, 'stopping');
    await wait(afterMs);

    expect(await host.kill('SIGTERM')).toBe(0);

    expect(await host.containers()).toEqual([]);
  },
);

test('SIGTERM while a container dies: exit 0, nothing left, the message is answered after the restart', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'slow 3000');
  await host.waitForState(body.session, 'awake');
  await host.killContainer();

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(await host.containers()).toEqual([]);
  await host.start();
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ type: 'message', text: 'slow 1', answers: [body.message] }]);
});

test('a host that shuts down takes nothing new and says so', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'slow 2000');
  await host.waitForState(body.session, 'awake');
  const ended = host.kill('SIGTERM');
  await expect.poll(() => host.log.some(({ msg }) => msg === 'stopping')).toBe(true);

  const refused = await host.post('handy', 'two', 'hello');

  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'E_STOPPING' } } });
  expect(await ended).toBe(0);
});

test('a second host on the same data folder exits 1 and names the first; the first goes on', async () => {
  const host = await openHostRoom({ groups: { echo: echo() } });
  const { code, stderr } = await host.berth('host');

  expect(code).toBe(1);
  expect(stderr).toMatch(/^berth: .*\[E_DATA_LOCKED\]\n$/);
  expect(stderr).toContain(`process ${host.process().pid}`);
  expect(await host.ask('echo', 'one', 'still there?')).toMatchObject({ text: 'still there?' });
});

test('SIGTERM while the base image is being made: nobody waits for it to be ready', async () => {
  const engine = await openSlowEngine(/^GET \S*\/images\/berth-test-nowhere/, 60_000);
  const env = {
    DOCKER_HOST: engine,
    BERTH_BASE_IMAGE: 'berth-test-absent:latest',
    BERTH_BASE_FROM: 'berth-test-nowhere:latest',
  };
  const host = await openHostRoom({ groups: { echo: echo() }, env });
  const { body } = await host.post('echo', 'one', 'hello');
  await expect
    .poll(() => host.log.some(({ msg }) => `${msg}`.includes('it is built')), { timeout: 20_000 })
    .toBe(true);
  const before = performance.now();

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(performance.now() - before).toBeLessThan(10_000);
  const { DOCKER_HOST = 'unix:///var/run/docker.sock', BERTH_TEST_IMAGE = '' } = process.env;
  await host.start({ DOCKER_HOST, BERTH_BASE_IMAGE: BERTH_TEST_IMAGE });
  expect(answered(await host.waitForEvents('echo', 'one', (all) => all.length > 0))).toEqual([body.message]);
});
