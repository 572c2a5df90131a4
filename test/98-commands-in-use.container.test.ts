import { expect, test } from 'vitest';
import { waitUntil } from './fixtures/host-process.ts';
import { openHostRoom } from './fixtures/host-room.ts';

/** Answers in words; works until it is stopped on "slowly", and shows that it has begun. */
const BOT = `
import { createInterface } from 'node:readline';
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
for await (const json of createInterface({ input: process.stdin })) {
  const { turn, messages, conversation, abort } = JSON.parse(json);
  if (abort) say({ turn, done: true });
  else if (messages.at(-1).text === 'slowly') say({ turn, text: 'begun' });
  else say({ turn, text: messages.at(-1).text + ' in conversation ' + conversation, done: true });
}
`;
const groups = {
  echo: 'name: Echo\nagent: { provider: echo }\n',
  bot: {
    yaml: 'name: Bot\nagent: { command: [node, /group/bot.mjs], options: { mode: serve } }\n',
    workspace: { 'bot.mjs': BOT },
  },
};

test('commands where there is nothing to do, and words that are no commands of the host', async () => {
  const host = await openHostRoom({ groups });
  expect((await host.ask('echo', 'one', '/status')).text).toBe('Echo: echo\nNothing was said here yet.');
  expect((await host.ask('echo', 'one', '/STOP')).text).toBe('There is nothing to stop.');
  expect((await host.ask('echo', 'one', '/new')).text).toBe('A new conversation begins.');
  expect(await host.containers()).toEqual([]);
  expect((await host.ask('echo', 'one', '/unknown word')).text).toBe('/unknown word');
  expect((await host.ask('echo', 'one', '/stop it')).text).toBe('/stop it');
  expect((await host.ask('echo', 'one', '/stop')).text).toBe('There is nothing to stop.');
});

test('/new in the middle of a turn ends it, and the next message is answered in the new conversation', async () => {
  const host = await openHostRoom({ groups });
  const { body } = await host.post('bot', 'one', 'slowly');
  await host.waitForEvents('bot', 'one', (all) => all.some(({ text }) => text === 'begun'));
  expect((await host.ask('bot', 'one', '/new')).text).toBe('A new conversation begins.');
  expect((await host.ask('bot', 'one', 'next')).text).toBe('next in conversation 1');
  const events = await host.events('bot', 'one');
  expect(events.map(({ code, text }) => code ?? text)).toEqual([
    'begun',
    'E_TURN_ABORTED',
    'A new conversation begins.',
    'next in conversation 1',
  ]);
  expect(events[1]).toMatchObject({ inReplyTo: body.message });
  await waitUntil('no message to wait', 5000, async () => (await host.session(body.session)).queue === 0);
});
