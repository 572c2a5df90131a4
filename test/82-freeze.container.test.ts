import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type AwakeSession, AwakeSessions } from '../src/awake/awake-session.ts';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { createFreeLock } from '../src/recovery/free-lock.ts';
import { FOREVER, openDockerRoom, silent } from './fixtures/engine-room.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

const idle = (freeze: string, stop = '10m') => `idle: { freeze: ${freeze}, stop: ${stop} }`;

async function engineState(host: HostRoom): Promise<string | undefined> {
  return (await host.containers())[0]?.State;
}

/** What a container is as long as it is the same one. */
async function identity(host: HostRoom): Promise<object> {
  const { Id, State } = await (await host.container()).inspect();
  return { Id, pid: State.Pid, startedAt: State.StartedAt };
}

/** Posts until the session has been asked once, and waits until it is frozen. @returns the session. */
async function frozen(host: HostRoom, group: string): Promise<string> {
  const { body } = await host.post(group, 'one', 'count');
  await host.waitForState(body.session, 'frozen');
  return body.session;
}

test('an idle container is paused, and answers the next message as the same process with its memory', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('300ms')) } });
  const starts = await host.followStarts();
  await host.ask('handy', 'one', 'write /tmp/kept');
  const session = await frozen(host, 'handy');
  await waitUntil('the engine to have paused', 5000, async () => (await engineState(host)) === 'paused');
  const before = await identity(host);

  expect(await host.ask('handy', 'one', 'read /tmp/kept')).toMatchObject({ text: 'x' });

  expect(await identity(host)).toEqual(before);
  await host.waitForState(session, 'frozen');
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 1, lastError: null });
  expect(starts()).toHaveLength(1);
});

test('50 messages at once to a frozen session are answered once, in order, by the same container', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')), echo: echo(idle('200ms')) } });
  const session = await frozen(host, 'echo');
  const before = await identity(host);

  const posts = await Promise.all(
    Array.from({ length: 50 }, (_, index) => host.post('echo', 'one', `message ${index}`)),
  );
  const events = await host.waitForEvents('echo', 'one', (all) => answered(all).length >= 51);

  expect(posts.map(({ status }) => status)).toEqual(posts.map(() => 202));
  expect(answered(events)).toEqual(host.accepted(session));
  expect(await identity(host)).toEqual(before);
});

test('messages timed around the freeze, 15 rounds in 4 chats: each is answered once, soon, by one container', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms'), 'limits: { memory: 128m }') } });
  const starts = await host.followStarts();
  const pauses = await host.followEvents('pause');
  const chats = ['one', 'two', 'three', 'four'];

  await Promise.all(
    chats.map(async (chat, index) => {
      const ids: string[] = [];
      for (let round = 0; round < 15; round++) {
        // The freeze begins 200 to 450 ms after the last answer and takes some 30 ms.
        if (round > 0) await wait(190 + 20 * round + 5 * index);
        const { body } = await host.post('handy', chat, 'count');
        ids.push(body.message);
        await host.waitForEvents(
          'handy',
          chat,
          (all) => answered(all).includes(body.message),
          round === 0 ? 30_000 : 4000,
        );
      }
      const events = await host.events('handy', chat);
      expect(answered(events)).toEqual(ids);
      expect(events.map(({ text }) => text)).toEqual(ids.map((_, count) => `count ${count + 1}`));
    }),
  );

  expect(starts()).toHaveLength(4);
  expect(pauses().length).toBeGreaterThan(10);
});

test('a message that comes while the engine pauses waits for it, and is answered', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-freeze-'));
  const socket = join(folder, 'engine.sock');
  const engine = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');
  const proxy = await openSocketProxy(socket, engine);
  onTestFinished(async () => {
    await proxy.cut();
    rmSync(folder, { recursive: true });
  });
  const host = await openHostRoom({
    groups: { handy: handyman(idle('200ms')) },
    env: { DOCKER_HOST: `unix://${socket}` },
  });
  const { body } = await host.post('handy', 'one', 'count');
  const pause = proxy.hold(/^POST \S+\/pause/);
  await pause.met;
  expect(await host.session(body.session)).toMatchObject({ state: 'frozen' });
  expect(await engineState(host)).toBe('running');

  const second = await host.post('handy', 'one', 'count');
  await wait(300); // the runner would have looked by now
  expect(await host.events('handy', 'one')).toHaveLength(1);
  pause.release();

  const events = await host.waitForEvents('handy', 'one', (all) => all.length === 2);
  expect(answered(events)).toEqual([body.message, second.body.message]);
  expect(await host.session(body.session)).toMatchObject({ epoch: 1 });
});

test('a frozen container is stopped for good after a while, gracefully', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms', '1500ms')) } });
  const exits = await host.followEvents('die');
  const session = await frozen(host, 'handy');
  const container = await host.container();

  await host.waitForState(session, 'asleep', 8000);

  expect(await container.inspect().catch((error) => error.statusCode)).toBe(404);
  await waitUntil('the event of the end', 5000, () => exits().length === 1);
  expect(host.log.some(({ msg }) => msg === 'container died')).toBe(false);
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
  expect(await host.session(session)).toMatchObject({ epoch: 2 });
});

test('not while a program of the agent goes on beside it; once that has ended, it is', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const pauses = await host.followEvents('pause');
  const { body } = await host.post('handy', 'one', 'linger');
  await host.waitForState(body.session, 'freezing');
  await host.waitForState(body.session, 'awake', 8000);
  expect(pauses()).toEqual([]);
  expect(host.log.filter(({ msg }) => /^not frozen: /.test(String(msg)))).toHaveLength(1);

  expect(await host.ask('handy', 'one', 'unlinger')).toMatchObject({ text: 'ended' });

  await host.waitForState(body.session, 'frozen', 15_000);
});

test('a frozen container that somebody made to go on answers, and freezes again', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const session = await frozen(host, 'handy');
  await (await host.container()).unpause();
  await wait(500); // what is parked stays so

  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });

  await host.waitForState(session, 'frozen');
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 3' });
});

test('an idle container that somebody paused counts as frozen; one that works is made to go on', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('off')) } });
  const { body } = await host.post('handy', 'one', 'count');
  await host.waitForEvents('handy', 'one', (all) => all.length === 1);
  const container = await host.container();
  await container.pause();
  await host.waitForState(body.session, 'frozen');

  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });

  await host.post('handy', 'one', 'slow 1000');
  await wait(300);
  await container.pause();
  const events = await host.waitForEvents('handy', 'one', (all) => all.length === 3, 20_000);
  expect(events.at(-1)).toMatchObject({ type: 'message', text: 'slow 3' });
  expect(await host.session(body.session)).toMatchObject({ state: 'awake', epoch: 1 });
});

test('a container that keeps the host from writing is made to go on where it is paused, else killed', async () => {
  const room = openDockerRoom();
  onTestFinished(async () => expect(await room.close()).toEqual([]));
  const { engine, install } = room;
  const spec = room.spec('stuck', FOREVER);
  await engine.start(spec);
  await engine.pause(spec.name);
  const awake = new AwakeSessions();
  awake.add({ id: 's_1', container: spec.name } as AwakeSession);
  const freeLock = createFreeLock({ awake, engine, install, log: silent });

  await freeLock('s_1', 'database is locked');
  expect(await engine.list(install)).toMatchObject([{ running: true, paused: false }]);

  await freeLock('s_1', 'database is locked');
  expect(await engine.list(install)).toEqual([]);
});

test('a frozen container that somebody killed is replaced', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const session = await frozen(host, 'handy');
  await host.killContainer();
  await host.waitForState(session, 'asleep');

  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });

  expect(await host.session(session)).toMatchObject({ epoch: 2 });
});

test('a host that ends takes its frozen containers with it, soon', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  await frozen(host, 'handy');
  const before = performance.now();

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(performance.now() - before).toBeLessThan(5000);
  expect(await host.containers()).toEqual([]);
});

test('a host that was killed leaves frozen containers behind: the next one adopts them as they are, and they answer', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  const session = await frozen(host, 'handy');
  await waitUntil('the engine to have paused', 5000, async () => (await engineState(host)) === 'paused');
  await host.kill('SIGKILL');

  await host.start();

  expect(await engineState(host)).toBe('paused');
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
  expect(await host.session(session)).toMatchObject({ epoch: 1 });
});

test('a chat that is deleted takes its frozen container along', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(idle('200ms')) } });
  await frozen(host, 'handy');

  expect((await host.request('DELETE', '/v1/groups/handy/chats/one')).status).toBe(204);

  expect(await host.containers()).toEqual([]);
});
