import { expect, test } from 'vitest';
import { followChat } from './fixtures/event-lines.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { openHostRoom } from './fixtures/host-room.ts';

/** Writes its reply word by word, with a tool in between, and counts its turns: one process for all of them. */
const BOT = `
import { createInterface } from 'node:readline';
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let turns = 0;
for await (const json of createInterface({ input: process.stdin })) {
  const { turn, messages } = JSON.parse(json);
  turns += 1;
  say({ turn, draft: 'You' });
  await wait(400);
  say({ turn, tool: 'look up' });
  await wait(400);
  say({ turn, tool: null });
  say({ turn, draft: 'You said' });
  await wait(400);
  say({ turn, text: 'You said ' + messages.at(-1).text + ' in turn ' + turns, done: true });
}
`;
const ONCE = `
console.log(JSON.stringify({ draft: 'half of it' }));
await new Promise((resolve) => setTimeout(resolve, 800));
console.log(JSON.stringify({ text: 'all of it' }));
`;
const groups = {
  bot: {
    yaml: 'name: Bot\nagent: { command: [node, /group/bot.mjs], options: { mode: serve } }\n',
    workspace: { 'bot.mjs': BOT },
  },
  once: {
    yaml: 'name: Once\nagent: { command: [node, /group/bot.mjs] }\n',
    workspace: { 'bot.mjs': ONCE },
  },
};

test('drafts come before the reply, without a number, and none after it; those of another chat are not heard', async () => {
  const host = await openHostRoom({ groups });
  const [mine, other] = [await followChat(host, 'bot', 'one'), await followChat(host, 'bot', 'two')];
  const { message } = (await host.post('bot', 'one', 'hello')).body;
  await waitUntil('the reply', 30_000, async () => mine.heard.some(({ event }) => event === 'message'));
  const second = (await host.post('bot', 'one', 'again')).body;
  const replies = () => mine.heard.filter(({ event }) => event === 'message');
  await waitUntil('the second reply', 30_000, async () => replies().length === 2);

  expect(replies().map(({ data }) => data.text)).toEqual([
    'You said hello in turn 1',
    'You said again in turn 2',
  ]);
  const firstReply = mine.heard.findIndex(({ event }) => event === 'message');
  const drafts = mine.heard.slice(0, firstReply);
  expect(new Set(drafts.map(({ event, id, data }) => `${event} ${id} ${data.inReplyTo}`))).toEqual(
    new Set([`draft undefined ${message}`]),
  );
  const shown = drafts.map(({ data }) => ({ text: data.text, tool: data.tool }));
  expect(shown).toContainEqual({ text: 'You', tool: 'look up' });
  expect(shown.at(-1)).toEqual({ text: 'You said', tool: null });
  const later = mine.heard.slice(firstReply + 1);
  expect(later.filter(({ event }) => event === 'draft').length).toBeGreaterThan(0);
  expect(new Set(later.map(({ data }) => data.inReplyTo))).toEqual(new Set([second.message]));
  expect(later.at(-1)?.event).toBe('message');
  expect(other.heard).toEqual([]);
  mine.close();
  other.close();
});

test('a program that is run once per turn shows drafts as well; they are no part of its reply', async () => {
  const host = await openHostRoom({ groups });
  const { heard, close } = await followChat(host, 'once', 'one');
  const { message } = (await host.post('once', 'one', 'hello')).body;
  await waitUntil('the reply', 30_000, async () => heard.some(({ event }) => event === 'message'));
  expect(heard.map(({ event, data }) => [event, data.inReplyTo, data.text])).toEqual([
    ['draft', message, 'half of it'],
    ['message', message, 'all of it'],
  ]);
  close();
});
