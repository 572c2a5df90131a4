import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { answered, echo, type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';

const CHATS = ['one', 'two', 'three', 'four'];

/** Posts ten messages to each chat, one after the other within a chat, until the host is gone. @returns what it accepted. */
async function postUntilGone(host: HostRoom, group: string, text: string): Promise<Map<string, string[]>> {
  const accepted = new Map(CHATS.map((chat): [string, string[]] => [chat, []]));
  await Promise.all(
    CHATS.map(async (chat) => {
      for (let i = 0; i < 10; i++) {
        const answer = await host.post(group, chat, text).catch(() => undefined);
        if (answer?.status !== 202) return;
        accepted.get(chat)?.push(answer.body.message);
      }
    }),
  );
  return accepted;
}

/** Every accepted message has one answer, in the order of acceptance; nothing else was said. */
async function expectAllAnsweredOnce(
  host: HostRoom,
  group: string,
  accepted: Map<string, string[]>,
): Promise<void> {
  for (const [chat, ids] of accepted) {
    const all = await host.waitForEvents(group, chat, (events) =>
      ids.every((id) => answered(events).includes(id)),
    );
    // A message may have become durable although its sender never heard of it.
    const known = new Set(ids);
    expect(answered(all).filter((id) => known.has(id))).toEqual(ids);
    expect(new Set(answered(all)).size).toBe(all.length);
    expect(all.map(({ type }) => type)).toEqual(all.map(() => 'message'));
    expect(all.map(({ event }) => event)).toEqual(all.map((_, index) => index + 1));
  }
}

test.each([60, 300, 500, 700, 1000])(
  'kill -9 of the host %i ms into 40 messages over 4 sessions: all are answered by the next, each once',
  async (afterMs) => {
    const host = await openHostRoom({ groups: { handy: handyman() } });
    const posting = postUntilGone(host, 'handy', 'count');
    await wait(afterMs);
    await host.kill('SIGKILL');
    const accepted = await posting;
    await host.start();
    await expectAllAnsweredOnce(host, 'handy', accepted);

    const sessions = (await host.containers()).map(({ Labels }) => Labels['berth.session']);
    expect(new Set(sessions).size).toBe(sessions.length);
    // What the sessions remember counts each message once, however often it was tried.
    for (const chat of CHATS) {
      const events = await host.events('handy', chat);
      expect(events.map(({ text }) => text)).toEqual(events.map((_, index) => `count ${index + 1}`));
    }
  },
);

test('six hosts one after the other, each killed in the middle: nothing is lost and nothing is said twice', async () => {
  const host = await openHostRoom({ groups: { echo: echo() } });
  const accepted = new Map(CHATS.map((chat): [string, string[]] => [chat, []]));
  for (let life = 0; life < 6; life++) {
    const posting = postUntilGone(host, 'echo', `life ${life}`);
    await wait(40 + 150 * life);
    await host.kill('SIGKILL');
    for (const [chat, ids] of await posting) accepted.get(chat)?.push(...ids);
    await host.start();
  }
  await expectAllAnsweredOnce(host, 'echo', accepted);
  expect((await host.containers()).length).toBeLessThanOrEqual(CHATS.length);
});

test('what a container finished while there was no host is delivered by the next, without being done again', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const { body } = await host.post('handy', 'one', 'slow 1500');
  await host.waitForState(body.session, 'awake');
  await host.kill('SIGKILL');
  await waitUntil('the reply', 20_000, () => host.repliesOf('handy', body.session) === 1);

  await host.start();

  const events = await host.waitForEvents('handy', 'one', (all) => all.length > 0, 5000);
  expect(events.map(({ text }) => text)).toEqual(['slow 1']);
});
