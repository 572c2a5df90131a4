import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, handyman } from './fixtures/host-room.ts';
import { openRecoveryRoom, type RecoveryRoom } from './fixtures/recovery-room.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

/** Ids of the engine's containers, with their names. */
async function ids(host: RecoveryRoom): Promise<string[]> {
  return (await host.containers()).map(({ Id }) => Id).toSorted();
}

/** Posts a message whose turn takes so long, and waits until it runs. @returns session and message. */
async function beginTurn(host: RecoveryRoom, ms: number): Promise<{ session: string; message: string }> {
  const { body } = await host.post('handy', 'one', `slow ${ms}`);
  await host.waitForState(body.session, 'awake');
  await waitUntil('the turn to run', 10_000, () => host.claims('handy', body.session).length > 0);
  return body;
}

test('kill -9 in a turn: the next host adopts the container, the turn goes on in it, one answer', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  const { session, message } = await beginTurn(host, 4000);
  await host.kill('SIGKILL');
  const before = await ids(host);

  await host.start();

  expect(await ids(host)).toEqual(before);
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 1, queue: 1 });
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ type: 'message', text: 'slow 1', answers: [message] }]);
  // It can be talked to, and what it counted shows that the turn ran once.
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
  expect(await ids(host)).toEqual(before);
});

test('what was accepted just before the kill is answered by the adopted containers, in order', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  const chats = ['one', 'two', 'three'];
  for (const chat of chats) await host.ask('echo', chat, 'hello');
  const before = await ids(host);
  const posted = await Promise.all(
    chats.flatMap((chat) => [1, 2, 3, 4].map(async () => (await host.post('echo', chat, 'again')).body)),
  );
  await host.kill('SIGKILL');

  await host.start();

  expect(await ids(host)).toEqual(before);
  for (const [n, chat] of chats.entries()) {
    const session = posted[n * 4]?.session ?? '';
    const events = await host.waitForEvents('echo', chat, (all) => answered(all).length >= 5);
    expect(answered(events)).toEqual(host.accepted(session));
  }
});

test('an adopted container keeps the instructions that it was woken with, the next one gets those of then', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  const source = join(host.groupsDir, 'echo', 'AGENTS.md');
  writeFileSync(source, 'one');
  await host.ask('echo', 'one', 'hello');
  const [session = ''] = readdirSync(join(host.dataDir, 'sessions', 'echo'));
  const handed = () =>
    readFileSync(join(host.dataDir, 'sessions', 'echo', session, 'instructions', 'AGENTS.md'), 'utf8');
  await host.kill('SIGKILL');
  writeFileSync(source, 'two');

  await host.start();
  await host.ask('echo', 'one', 'again');
  expect(handed()).toBe('one');

  await host.kill('SIGTERM');
  await host.start();
  await host.ask('echo', 'one', 'once more');
  expect(handed()).toBe('two');
});

test('SIGUSR2 and BERTH_ON_STOP=keep leave the containers at work; SIGTERM does not', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  await beginTurn(host, 5000);
  const before = await ids(host);

  expect(await host.kill('SIGUSR2')).toBe(0);
  await host.start({ BERTH_ON_STOP: 'keep' });
  expect(await ids(host)).toEqual(before);
  expect(await host.kill('SIGTERM')).toBe(0);
  await host.start();

  expect(await ids(host)).toEqual(before);
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events.map(({ text }) => text)).toEqual(['slow 1']);
  expect(await host.kill('SIGTERM')).toBe(0);
  expect(await ids(host)).toEqual([]);
});

test('a group that was changed meanwhile: the turn is finished, then a new container takes what waits', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  const { session, message } = await beginTurn(host, 3000);
  const later = (await host.post('handy', 'one', 'env')).body.message;
  const before = await ids(host);
  await host.kill('SIGKILL');
  const { yaml, workspace } = handyman('env: { COLOUR: blue }');
  await host.writeGroup('handy', yaml, workspace);

  await host.start();

  expect(await ids(host)).toEqual(before);
  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 2);
  expect(events.map(({ answers }) => answers)).toEqual([[message], [later]]);
  expect(events[0]?.text).toBe('slow 1');
  expect(JSON.parse(events[1]?.text ?? '')).toMatchObject({ COLOUR: 'blue' });
  expect(await host.session(session)).toMatchObject({ state: 'awake', epoch: 2 });
  expect(await ids(host)).not.toEqual(before);
});

test('an idle container of a group that was changed is stopped, and nobody wakes it without need', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  await host.ask('echo', 'one', 'hello');
  const { session } = (await host.post('echo', 'one', 'again')).body;
  await host.waitForEvents('echo', 'one', (all) => all.length === 2);
  await host.kill('SIGKILL');
  await host.writeGroup('echo', echo('limits: { pids: 100 }'));

  await host.start();

  await host.waitForState(session, 'asleep');
  expect(await host.containers()).toEqual([]);
});

test('strays are removed: of a session that nobody knows, of an epoch that is over', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  await host.ask('echo', 'one', 'hello');
  const [mine] = await host.containers();
  const labels = mine?.Labels ?? {};
  await host.addContainer('stray-of-nobody', { ...labels, 'berth.session': 's_unknown' });
  await host.addContainer('stray-of-the-past', { ...labels, 'berth.epoch': '0' });
  expect(await host.containers()).toHaveLength(3);
  await host.kill('SIGKILL');

  await host.start();

  expect(await ids(host)).toEqual([mine?.Id]);
  expect(await host.ask('echo', 'one', 'still there?')).toMatchObject({ type: 'message' });
});

test('a container that the engine does not remove keeps nobody else waiting, and its session follows', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  for (const chat of ['one', 'two']) await host.ask('echo', chat, 'hello');
  const { session } = (await host.post('echo', 'one', 'again')).body;
  await host.waitForEvents('echo', 'one', (all) => all.length === 2);
  const stray = (await host.containers()).find(({ Labels }) => Labels['berth.session'] === session);
  await host.kill('SIGKILL');
  const db = new Database(join(host.dataDir, 'host.db'));
  db.prepare('UPDATE leases SET epoch = epoch + 1 WHERE session = ?').run(session);
  db.close();
  const folder = mkdtempSync(join(tmpdir(), 'berth-stuck-'));
  const engine = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');
  const proxy = await openSocketProxy(join(folder, 'engine.sock'), engine);
  onTestFinished(async () => {
    await proxy.cut();
    rmSync(folder, { recursive: true });
  });
  const removal = proxy.hold(new RegExp(`^DELETE /containers/${stray?.Names[0]?.slice(1)}`));

  await host.start({ DOCKER_HOST: `unix://${join(folder, 'engine.sock')}` });
  await removal.met;

  expect(await host.ask('echo', 'two', 'still there?')).toMatchObject({ type: 'message' });
  expect(await ids(host)).toContain(stray?.Id);
  removal.release();
  expect(await host.ask('echo', 'one', 'and you?')).toMatchObject({ type: 'message' });
  expect(await ids(host)).not.toContain(stray?.Id);
  await host.kill('SIGTERM');
});

test('a container that died while no host ran: its message is tried again, and that counts', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  const { session } = await beginTurn(host, 60_000);
  await host.kill('SIGKILL');
  await host.killContainer();

  await host.start();

  await waitUntil('the second attempt', 20_000, () => host.attempts(session).includes(2));
  await waitUntil('the next container', 20_000, async () => (await host.session(session)).epoch === 2);
});

test('a container that somebody removed while no host ran counts as an attempt, too', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  const { session } = await beginTurn(host, 1500);
  await host.kill('SIGKILL');
  await host.removeContainers();

  await host.start();

  expect(host.attempts(session)).toEqual([2]);
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events.map(({ text }) => text)).toEqual(['slow 1']);
});

test('a paused container is thawed and answers', async () => {
  const host = await openRecoveryRoom({ groups: { echo: echo() } });
  await host.ask('echo', 'one', 'hello');
  const before = await ids(host);
  await host.kill('SIGKILL');
  await host.pauseContainer();

  await host.start();

  expect(await host.ask('echo', 'one', 'there?')).toMatchObject({ type: 'message', text: 'there?' });
  expect(await ids(host)).toEqual(before);
});

test('twelve hosts one after the other over one turn: it runs once, in one container', async () => {
  const host = await openRecoveryRoom({ groups: { handy: handyman() } });
  const { message } = await beginTurn(host, 9000);
  const before = await ids(host);
  for (let life = 0; life < 12; life++) {
    await wait(10 * life);
    await host.kill('SIGKILL');
    await host.start();
  }
  expect(await ids(host)).toEqual(before);
  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ text: 'slow 1', answers: [message] }]);
});
