import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { type HostRoom, openHostRoom } from './fixtures/host-room.ts';

/** Works for a minute on "slowly", and says which conversation it is in. */
const BOT = `
import { text } from 'node:stream/consumers';
import { writeFileSync } from 'node:fs';
const { messages, conversation } = JSON.parse(await text(process.stdin));
const said = messages.at(-1).text;
if (said === 'slowly') {
  writeFileSync('/group/begun', 'x');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
console.log(said + ' in conversation ' + conversation);
`;
const groups = {
  bot: { yaml: 'name: Bot\nagent: { command: [node, /group/bot.mjs] }\n', workspace: { 'bot.mjs': BOT } },
};

const texts = async (host: HostRoom) =>
  (await host.events('bot', 'one')).map(({ code, text }) => code ?? text);

test('/help and /status are answered by the host, without a container', async () => {
  const host = await openHostRoom({ groups });
  expect((await host.ask('bot', 'one', '/help')).text).toContain('/stop ends what the agent is doing');
  expect((await host.ask('bot', 'one', ' /STATUS ')).text).toMatch(
    /^Bot: command\nSession s_\w+: asleep for \d+ s, no message waits for an answer$/,
  );
  expect(await host.containers()).toEqual([]);
});

test('/stop ends the running turn and what waits behind it; the next message is answered by the same container', async () => {
  const host = await openHostRoom({ groups });
  const { body } = await host.post('bot', 'one', 'slowly');
  await host.post('bot', 'one', 'waiting');
  await waitUntil(
    'the turn to begin',
    30_000,
    async () => (await host.session(body.session)).state === 'awake',
  );
  const { existsSync } = await import('node:fs');
  await waitUntil('the bot to begin', 20_000, async () =>
    existsSync(`${host.groupsDir}/bot/workspace/begun`),
  );

  expect((await host.ask('bot', 'one', '/stop')).text).toBe('Stopped.');
  expect((await host.ask('bot', 'one', 'next')).text).toBe('next in conversation 0');

  expect(await texts(host)).toEqual([
    'E_TURN_ABORTED',
    'E_TURN_ABORTED',
    'Stopped.',
    'next in conversation 0',
  ]);
  expect((await host.session(body.session)).epoch).toBe(1);
});

test('/new begins a new conversation, also across a restart of the host; other commands go to the agent as they are', async () => {
  const host = await openHostRoom({ groups });
  expect((await host.ask('bot', 'one', 'first')).text).toBe('first in conversation 0');
  expect((await host.ask('bot', 'one', '/new')).text).toBe('A new conversation begins.');
  expect((await host.ask('bot', 'one', '/compact now')).text).toBe('/compact now in conversation 1');
  await host.kill('SIGKILL');
  await host.start();
  expect((await host.ask('bot', 'one', 'later')).text).toBe('later in conversation 1');
});
