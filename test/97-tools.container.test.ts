import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type HostRoom, openHostRoom } from './fixtures/host-room.ts';

const bot = readFileSync(new URL('./fixtures/bots/tool-caller.mjs', import.meta.url), 'utf8');
const agent = 'agent: { provider: command, command: [node, /group/bot.mjs], options: { mcp: true } }';
const groups = {
  bot: { yaml: `name: Bot\n${agent}\ntimezone: UTC\n`, workspace: { 'bot.mjs': bot } },
};

const calls = (...list: [name: string, args: object][]): string => JSON.stringify({ calls: list });
/** What the tools said to the agent, in the reply of its turn. */
const resultsOf = (reply: { text: string }): string[] => JSON.parse(reply.text).results;
const texts = async (host: HostRoom, chat = 'one') =>
  (await host.events('bot', chat)).map(({ code, text }) => code ?? text);

test('a message that the agent sends in mid-turn arrives before its reply', async () => {
  const host = await openHostRoom({ groups });
  const reply = await host.ask('bot', 'one', calls(['send_message', { text: 'half way' }]));
  expect(resultsOf(reply)).toEqual(['Sent.']);
  expect((await texts(host))[0]).toBe('half way');
});
