import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, handyman, openHostRoom } from './fixtures/host-room.ts';
import { openSlowEngine } from './fixtures/slow-engine.ts';

test('killed from outside while idle: the next message starts a new one, which has the memory', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'count');
  await host.waitForEvents('handy', 'one', (all) => all.length === 1);
  await host.killContainer();
  await host.waitForState(body.session, 'asleep');

  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ type: 'message', text: 'count 2' });
  expect(await host.session(body.session)).toMatchObject({ state: 'awake', epoch: 2 });
  expect(await host.containers()).toHaveLength(1);
});

test('a message that comes right after the kill, before anybody has noticed, is answered', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  await host.ask('handy', 'one', 'count');
  for (let death = 1; death <= 3; death++) {
    const [, { body }] = await Promise.all([host.killContainer(), host.post('handy', 'one', 'count')]);
    const events = await host.waitForEvents('handy', 'one', (all) => answered(all).includes(body.message));
    expect(events.at(-1)?.text).toBe(`count ${death + 1}`);
    // Killed in the middle of the turn, the message is answered by the next container.
    await host.waitForState(body.session, 'awake');
  }
  const events = await host.events('handy', 'one');
  expect(new Set(answered(events)).size).toBe(events.length);
});

test('killed from outside while it works: the message is answered by the next one, as a second attempt', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'dieOnce');

  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0);

  expect(events).toMatchObject([{ type: 'message', text: 'attempt 2', answers: [body.message] }]);
  expect(await host.session(body.session)).toMatchObject({ state: 'awake', epoch: 2, lastError: null });
});

test('docker kill in the middle of 20 messages: each is answered once, in order', async () => {
  const host = await openHostRoom({ groups: { echo: echo() } });
  await host.ask('echo', 'one', 'awake');
  const ids: string[] = [];
  for (let i = 0; i < 20; i++) {
    ids.push((await host.post('echo', 'one', `message ${i}`)).body.message);
    if (i === 10) await host.killContainer();
  }

  const events = await host.waitForEvents('echo', 'one', (all) => all.length >= 21);

  expect(answered(events).slice(1)).toEqual(ids);
});

test('a bot that kills its container every time: told after three attempts; others are answered meanwhile', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const starts = await host.followStarts();
  const { body } = await host.post('handy', 'one', 'die');
  const { body: behind } = await host.post('handy', 'one', 'say behind');
  await waitUntil('the first death', 10_000, () => starts().length >= 2);
  expect(await host.ask('handy', 'two', 'say well')).toMatchObject({ type: 'message', text: 'well' });

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 2);

  expect(events).toMatchObject([
    { type: 'failure', code: 'E_TURN_CRASHED', inReplyTo: body.message, answers: [body.message] },
    { type: 'message', text: 'behind', answers: [behind.message] },
  ]);
  expect(events[0]?.reason).toContain('The container died while it worked on this');
  expect(starts().filter((session) => session === body.session)).toHaveLength(4);
});

test('a bot that takes all memory: its sender is told, another session is answered, the next message works', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('limits: { memory: 96m }'), echo: echo() } });
  const { body } = await host.post('handy', 'one', 'hog');
  expect(await host.ask('echo', 'one', 'well')).toMatchObject({ text: 'well' });

  const [event] = await host.waitForEvents('handy', 'one', (all) => all.length > 0, 40_000);

  expect(event).toMatchObject({ type: 'failure', inReplyTo: body.message });
  expect(['E_TURN_CRASHED', 'E_TURN_RETRIES']).toContain(event?.code);
  expect(event?.reason).toContain('memory');
  expect(await host.ask('handy', 'one', 'say alive')).toMatchObject({ type: 'message', text: 'alive' });
});

test('a container that works and dies before the engine has answered its start: noticed all the same', async () => {
  const DOCKER_HOST = await openSlowEngine(/^POST .*\/start/, 1500);
  const host = await openHostRoom({ groups: { handy: handyman() }, env: { DOCKER_HOST } });

  const event = await host.ask('handy', 'one', 'dieOnce', 15_000);

  expect(event).toMatchObject({ type: 'message', text: 'attempt 2' });
});

test('rows that break the contract, after the first look and before the engine has answered the start: ended and told', async () => {
  const runner = `
    import { setTimeout as pause } from 'node:timers/promises';
    import { out } from './own-outbound.mjs';
    await pause(500);
    const row = ['row', Number(process.env.BERTH_EPOCH) + 1, 'chat', '{}', 0];
    out.prepare('INSERT INTO messages (id, epoch, kind, body, created_at) VALUES (?, ?, ?, ?, ?)').run(...row);
    setInterval(() => {}, 1000);`;
  const outbound = readFileSync(new URL('./fixtures/own-outbound.mjs', import.meta.url), 'utf8');
  const workspace = { 'runner.mjs': runner, 'own-outbound.mjs': outbound };
  const wrong = { yaml: 'name: Wrong\nrunner: [node, /group/runner.mjs]\n', workspace };
  const DOCKER_HOST = await openSlowEngine(/^POST .*\/start/, 4000);
  const host = await openHostRoom({ groups: { wrong }, env: { DOCKER_HOST } });

  const { body } = await host.post('wrong', 'one', 'hello');

  const events = await host.waitForEvents('wrong', 'one', (all) => all.length > 0, 20_000);
  expect(events).toMatchObject([{ code: 'E_OUTBOUND_INVALID', answers: [body.message] }]);
  await host.waitForState(body.session, 'asleep');
  expect(await host.containers()).toEqual([]);
});

test('DELETE of a chat and SIGTERM while the engine has not answered the start: nothing is left', async () => {
  const DOCKER_HOST = await openSlowEngine(/^POST .*\/start/, 1500);
  const host = await openHostRoom({ groups: { handy: handyman() }, env: { DOCKER_HOST } });
  for (const chat of ['one', 'two']) {
    await host.post('handy', chat, 'say early');
    await host.waitForEvents('handy', chat, (all) => all.length > 0);
  }
  const deleted = await host.request('DELETE', '/v1/groups/handy/chats/one');
  expect(deleted.status).toBe(204);
  expect(await host.containers()).toHaveLength(1);

  expect(await host.kill('SIGTERM')).toBe(0);

  expect(await host.containers()).toEqual([]);
});
