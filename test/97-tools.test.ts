import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { until } from './fixtures/runner-session.ts';
import { createToolSession } from './fixtures/tool-client.ts';

// What a runner loads takes long where a machine has much else to do.
vi.setConfig({ testTimeout: 60_000 });

const started = async (options: Parameters<typeof createToolSession>[0] = {}) => {
  const session = createToolSession(options);
  session.start();
  session.put({ id: 'm1' });
  return { ...(await session.turn()), session };
};

test('a message of the agent goes out before its turn has ended', async () => {
  const { session, client, call } = await started();
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual([
    'send_message',
    'send_file',
    'list_destinations',
    'ask_user',
    'remember',
    'recall',
    'schedule',
    'list_schedules',
    'cancel_schedule',
    'session_info',
  ]);
  expect(await call('send_message', { text: 'half way' })).toBe('Sent.');
  expect(session.replies()).toMatchObject([{ text: 'half way', inReplyTo: 'm1', answers: [], kind: 'chat' }]);
  session.endTurn();
  await session.settled('m1');
  expect(session.texts()).toEqual(['half way', 'the end']);
});

test('destinations are those that the host names; to another nothing is written', async () => {
  const { session, call } = await started();
  expect(await call('send_message', { text: 'x', destination: 'http:team' })).toMatch(/^!.*There is none/);
  session.destination('http:team', 'http:ann');
  expect(JSON.parse(await call('list_destinations'))).toMatchObject([
    { name: 'http:ann' },
    { name: 'http:team' },
  ]);
  expect(await call('send_message', { text: 'x', destination: 'http:bob' })).toBe(
    '!This session may not send to "http:bob". There are "http:ann", "http:team". Without a destination it goes to where the message came from.',
  );
  expect(session.replies()).toEqual([]);
  expect(await call('send_message', { text: 'hello', destination: 'http:team' })).toBe('Sent.');
  expect(session.replies()).toMatchObject([{ text: 'hello', destination: 'http:team' }]);
});

test('where more destinations may exist than are listed, the host decides on the others', async () => {
  const { session, call } = await started();
  session.destination(...Array.from({ length: 200 }, (_, n) => `http:chat-${n}`));
  expect(await call('send_message', { text: 'hello', destination: 'http:oldest' })).toBe('Sent.');
  expect(session.replies()).toMatchObject([{ text: 'hello', destination: 'http:oldest' }]);
});

test('a file is sent with its words; one that cannot be sent sends nothing', async () => {
  const { session, call } = await started();
  writeFileSync(join(session.groupDir, 'plot.txt'), 'content');
  expect(await call('send_file', { path: 'plot.txt', text: 'look' })).toBe('Sent as plot.txt.');
  expect(await call('send_file', { path: '/group/none.txt' })).toBe('!There is no file /group/none.txt.');
  expect(await call('send_file', { path: '.' })).toMatch(/^!.* is not a regular file\.$/);
  expect(session.replies()).toMatchObject([{ text: 'look', files: [{ name: 'plot.txt' }] }]);
});

test('a wrong argument is told with what the tool takes', async () => {
  const { call } = await started();
  expect(await call('send_message', {})).toBe(
    '!send_message was not called: text: is missing. It takes text, destination?.',
  );
  expect(await call('send_message', { text: ' ', to: 'me' })).toBe(
    '!send_message was not called: text: is empty; there is no argument to. It takes text, destination?.',
  );
  expect(await call('remember', { key: 'a b', text: 7 })).toMatch(
    /^!remember was not called: key: is not 1 to 64 letters.*; text: .*expected string.*It takes key, text\.$/,
  );
  expect(await call('sing')).toMatch(/^!There is no tool sing: there are send_message, /);
});

test('the server answers to its token alone, and to calls of a bounded size', async () => {
  const { url, headers } = await started();
  const post = async (given: Record<string, string>, body: string) => {
    const accept = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    return (await fetch(url, { method: 'POST', headers: { ...accept, ...given }, body })).status;
  };
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  expect(await post(headers, list)).toBe(200);
  expect(await post({}, list)).toBe(401);
  expect(await post({ Authorization: 'Bearer guess' }, list)).toBe(401);
  expect(await post(headers, `"${'x'.repeat(1024 * 1024)}"`)).toBe(413);
  expect(await post(headers, 'no JSON')).toBe(400);
  expect((await fetch(url, { headers })).status).toBe(405);
});

test('calls whose client has left do not count any more', async () => {
  const { session, url, headers, client, call } = await started();
  const ask = { name: 'ask_user', arguments: { question: 'Red or blue?' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: ask });
  const accept = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const post = (signal: AbortSignal) =>
    fetch(url, { method: 'POST', headers: { ...headers, ...accept }, body, signal });
  const leaving = new AbortController();
  const first = post(leaving.signal);
  await until(() => session.replies().length === 1, 'the question');
  const left = Promise.allSettled([first, ...Array.from({ length: 31 }, () => post(leaving.signal))]);
  // All are under way: there is no room for one more.
  await expect.poll(() => isServed(), { timeout: 20_000 }).toBe(false);
  leaving.abort();
  await left;
  await expect.poll(() => isServed(), { timeout: 20_000 }).toBe(true);
  expect(await call('send_message', { text: 'still here' })).toBe('Sent.');

  async function isServed(): Promise<boolean> {
    return client.listTools().then(
      () => true,
      () => false,
    );
  }
});

test('who answers in time answers the call, within the turn', async () => {
  const { session, call } = await started();
  const asking = call('ask_user', { question: 'Red or blue?', options: ['Red', 'Blue'] });
  await until(() => session.replies().length === 1, 'the question');
  const [asked] = session.replies();
  expect(asked).toMatchObject({ text: 'Red or blue?', question: { options: ['Red', 'Blue'] }, answers: [] });
  session.put({ id: 'm2', text: 'something else' }, { id: 'm3', text: 'Blue', answers: asked?.id ?? '' });
  expect(await asking).toBe('The answer: Blue');
  expect(await call('ask_user', { question: 'Red or blue?', options: ['Red', 'Blue'] })).toBe(
    'The answer: Blue',
  );
  expect(session.claim('m3')).toMatchObject({ status: 'processing' });
  session.endTurn();
  await session.settled('m1', 'm3');
  expect(session.replies().map(({ text, answers }) => [text, answers])).toEqual([
    ['Red or blue?', []],
    ['the end', ['m1', 'm3']],
  ]);
  expect((await session.turn()).messages).toMatchObject([{ id: 'm2' }]);
});

test('who answers in another chat answers the call too, and the reply goes to who asked the agent', async () => {
  const { session, call } = await started();
  session.destination('http:b');
  const asking = call('ask_user', { question: 'Red or blue?', destination: 'http:b' });
  await until(() => session.replies().length === 1, 'the question');
  session.put({ id: 'b1', chat: 'chat-b', text: 'Blue', answers: session.replies()[0]?.id ?? '' });
  expect(await asking).toBe('The answer: Blue');
  expect(await call('send_message', { text: 'half way' })).toBe('Sent.');
  session.endTurn();
  await session.settled('m1', 'b1');
  expect(session.replies().map(({ text, inReplyTo, answers }) => [text, inReplyTo, answers])).toEqual([
    ['Red or blue?', 'm1', []],
    ['half way', 'm1', []],
    ['the end', 'm1', ['m1', 'b1']],
  ]);
});

test('an answer that comes later is a message of its own, which says what was asked', async () => {
  const { session, call } = await started();
  const said = await call('ask_user', { question: 'When?', wait_seconds: 0.05 });
  const [asked] = session.replies();
  expect(said).toContain(`will come as a message that answers question ${asked?.id}`);
  session.endTurn();
  await session.settled('m1');
  session.put({ id: 'm2', text: 'tomorrow', answers: asked?.id ?? '' });
  expect((await session.turn()).messages).toMatchObject([
    { id: 'm2', text: 'tomorrow', answers: asked?.id, question: 'When?' },
  ]);
});

test('a turn that is repeated does not ask again, and takes the answer that came meanwhile', async () => {
  const { session, call } = await started();
  await call('ask_user', { question: 'Red or blue?', wait_seconds: 0 });
  const [asked] = session.replies();
  await session.crash();
  session.put({ id: 'm2', text: 'Red', answers: asked?.id ?? '' });
  session.start({}, 2);
  const again = await session.turn();
  expect(again.messages).toMatchObject([{ id: 'm1' }]);
  expect(await again.call('ask_user', { question: 'Red or blue?' })).toBe('The answer: Red');
  expect(session.replies()).toHaveLength(1);
  session.endTurn();
  await session.settled('m1', 'm2');
});

test('notes outlive the container and /new; they are few and small', async () => {
  const { session, call } = await started();
  expect(await call('remember', { key: 'name', text: 'Ann' })).toBe('Kept.');
  expect(await call('remember', { key: 'long', text: 'x'.repeat(5000) })).toMatch(
    /^!The note has 5000 bytes, 4096/,
  );
  session.endTurn();
  await session.settled('m1');
  await session.crash();
  session.describe({ ...session.described(), conversation: 1 });
  session.start({}, 2);
  session.put({ id: 'm2' });
  const later = await session.turn();
  expect(await later.call('recall', { key: 'name' })).toBe('Ann');
  expect(await later.call('recall', { key: 'age' })).toBe('There is no note age. Notes: name.');
  for (let n = 1; n < 100; n += 1) await later.call('remember', { key: `n${n}`, text: 'x' });
  expect(await later.call('remember', { key: 'one-more', text: 'x' })).toMatch(/^!There are 100 notes/);
  expect(await later.call('remember', { key: 'name', text: '' })).toBe('Forgotten.');
  expect(Object.keys(JSON.parse(await later.call('recall')))).toHaveLength(99);
});

test('a schedule is a request to the host, whose answer is the result; a repeated turn asks for the same one', async () => {
  const { session, call } = await started();
  const args = { text: 'water the plants', cron: '0 9 * * *', timezone: 'Europe/Berlin' };
  const planning = call('schedule', args);
  await until(() => session.replies().length === 1, 'the request');
  const [row] = session.replies();
  expect(row).toMatchObject({ kind: 'system', inReplyTo: 'm1', request: 'schedule', args });
  session.answer(row?.id ?? '', { ok: true, result: { id: 'sch_1' } });
  expect(JSON.parse(await planning)).toEqual({ id: 'sch_1' });

  const refused = call('cancel_schedule', { id: 'sch_2' });
  await until(() => session.replies().length === 2, 'the second request');
  const error = { code: 'E_SCHEDULE_UNKNOWN', message: 'there is no schedule' };
  session.answer(session.replies()[1]?.id ?? '', { ok: false, error });
  expect(await refused).toBe('!there is no schedule [E_SCHEDULE_UNKNOWN]');

  await session.crash();
  session.start({}, 2);
  const again = await session.turn();
  void again.call('schedule', args).catch(() => {});
  await until(() => session.replies().length === 3, 'the repeated request');
  expect(session.replies()[2]).toMatchObject({ request: 'schedule', args: row?.args ?? {} });
});

test('so many messages a minute, and no more', async () => {
  const { session, call } = await started();
  for (let n = 1; n <= 60; n += 1) expect(await call('send_message', { text: `${n}` })).toBe('Sent.');
  expect(await call('send_message', { text: '61' })).toMatch(/^!Too many messages at once: 60 a minute/);
  expect(session.replies()).toHaveLength(60);
});

test('an agent knows where it is; once its turn is over it can do nothing', async () => {
  const { session, call } = await started();
  expect(JSON.parse(await call('session_info'))).toMatchObject({
    ...{ session: 's1', group: 'demo', groupName: 'Demo', chat: 'chat-1', attempt: 1, destinations: [] },
    agent: { provider: 'command' },
    folders: { group: session.groupDir },
  });
  session.endTurn();
  await session.settled('m1');
  expect(await call('send_message', { text: 'late' })).toBe(
    '!No turn runs now, so that nothing can be done.',
  );
  expect(await call('recall')).toMatch(/^!No turn runs now/);
});

test('servers of the group come beside its own, and a change of them starts the provider anew', async () => {
  const tickets = { command: 'node', args: ['/group/tickets.mjs'], env: { QUEUE: 'a' } };
  const { session, mcp } = await started({ mcp: { tickets } });
  expect(mcp).toMatchObject({
    berth: { type: 'http' },
    tickets: { command: 'node', args: [join(session.groupDir, 'tickets.mjs')], env: { QUEUE: 'a' } },
  });
  session.endTurn();
  await session.settled('m1');
  session.describe({ ...session.described(), mcp: {} });
  session.put({ id: 'm2' });
  expect(Object.keys((await session.turn()).mcp)).toEqual(['berth']);
});

test('a bot that has not asked for tools is given none', async () => {
  const { mcp } = await started({ agentOptions: {} });
  expect(mcp).toBeUndefined();
});
