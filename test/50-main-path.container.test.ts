import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';

/** Posts so many messages at once. @returns the session and the ids of the messages. */
async function postAtOnce(
  host: HostRoom,
  chat: string,
  count: number,
): Promise<{ session: string; ids: string[] }> {
  const posts = await Promise.all(
    Array.from({ length: count }, (_, index) => host.post('echo', chat, `message ${index}`)),
  );
  expect(posts.map(({ status }) => status)).toEqual(posts.map(() => 202));
  const [session, ...others] = new Set(posts.map(({ body }) => body.session));
  expect(others).toEqual([]);
  return { session: session ?? '', ids: posts.map(({ body }) => body.message) };
}

test('50 messages at once to a sleeping session: one container, 50 answers, each once, in order', async () => {
  const host = await openHostRoom({ groups: { echo: echo() } });
  const starts = await host.followStarts();

  const { session, ids } = await postAtOnce(host, 'one', 50);
  const events = await host.waitForEvents('echo', 'one', (all) => all.length >= 50);

  expect(answered(events)).toEqual(host.accepted(session));
  expect(answered(events).toSorted()).toEqual(ids.toSorted());
  expect(events.map(({ event }) => event)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  await waitUntil('the event of the start', 5000, () => starts().length > 0);
  expect(starts()).toEqual([session]);
  expect(await host.containers()).toHaveLength(1);
});

test('a host of an operator who shuts everything off (umask 077): its containers read what is made for them', async () => {
  const host = await openHostRoom({ groups: { echo: echo() }, umask: '077' });
  expect(await host.ask('echo', 'one', 'hello')).toMatchObject({ text: 'hello' });
});

test('50 messages at once to each of 10 sessions: one container each, 50 answers each, in order', async () => {
  const host = await openHostRoom({ groups: { echo: echo('limits: { memory: 128m }') } });
  const starts = await host.followStarts();
  const chats = Array.from({ length: 10 }, (_, index) => `chat ${index}`);

  const posted = await Promise.all(chats.map((chat) => postAtOnce(host, chat, 50)));

  const all = await Promise.all(
    chats.map((chat) => host.waitForEvents('echo', chat, (events) => events.length >= 50, 50_000)),
  );
  for (const [index, { session }] of posted.entries()) {
    expect(answered(all[index] ?? [])).toEqual(host.accepted(session));
    expect(all[index]).toHaveLength(50);
  }
  await waitUntil('the events of the starts', 5000, () => starts().length >= 10);
  expect(starts().toSorted()).toEqual(posted.map(({ session }) => session).toSorted());
  expect(await host.containers()).toHaveLength(10);
});

test('what is said while a turn runs is answered after it, in order, by the same container', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const starts = await host.followStarts();
  await host.post('handy', 'one', 'slow 1000');
  await host.post('handy', 'one', 'say second');
  await host.post('handy', 'one', 'count');

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 3);

  expect(events.map(({ text }) => text)).toEqual(['slow 1', 'second', 'count 2']);
  expect(starts()).toHaveLength(1);
});

test('per-thread: each thread has its own container and memory; its replies bear the thread', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('session: per-thread') } });
  const threads = ['red', 'blue', null];
  const posts = [];
  for (const thread of [...threads, ...threads]) {
    posts.push((await host.post('handy', 'one', { text: 'count', thread })).body);
  }

  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 6);

  for (const thread of threads) {
    const ofThread = events.filter((event) => event.thread === thread);
    expect(ofThread.map(({ text }) => text)).toEqual(['count 1', 'count 2']);
  }
  expect(new Set(posts.map(({ session }) => session)).size).toBe(3);
  expect(await host.containers()).toHaveLength(3);
});

test('shared: all chats of the group have one container and memory; each reply goes to its own chat', async () => {
  const host = await openHostRoom({ groups: { handy: handyman('session: shared') } });
  const chats = ['one', 'two', 'three'];
  const posts = [];
  for (const chat of chats) posts.push((await host.post('handy', chat, 'count')).body);

  const texts = [];
  for (const [index, chat] of chats.entries()) {
    const events = await host.waitForEvents('handy', chat, (all) => all.length >= 1);
    expect(answered(events)).toEqual([posts[index]?.message]);
    texts.push(...events.map(({ text }) => text));
  }

  expect(texts.toSorted()).toEqual(['count 1', 'count 2', 'count 3']);
  expect(new Set(posts.map(({ session }) => session)).size).toBe(1);
  expect(await host.containers()).toHaveLength(1);
});
