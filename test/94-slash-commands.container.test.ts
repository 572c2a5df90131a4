import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type HostRoom, openHostRoom } from './fixtures/host-room.ts';
import { openSocketProxy } from './fixtures/socket-proxy.ts';

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

test('/stop before the first look of the container: the turn does not begin', async () => {
  const engine = connectDocker(process.env.DOCKER_HOST).where.replace('unix://', '');
  const path = join(tmpdir(), `berth-stop-${process.pid}.sock`);
  const proxy = await openSocketProxy(path, engine);
  onTestFinished(() => proxy.cut());
  const host = await openHostRoom({ groups, env: { DOCKER_HOST: `unix://${path}` } });
  const start = proxy.hold(/^POST \S*\/start/);
  const { body } = await host.post('bot', 'one', 'slowly');
  await start.met;

  expect((await host.ask('bot', 'one', '/stop')).text).toBe('Stopped.');
  start.release();

  await host.waitForState(body.session, 'awake');
  expect((await host.ask('bot', 'one', 'next', 20_000)).text).toBe('next in conversation 0');
  expect(existsSync(`${host.groupsDir}/bot/workspace/begun`)).toBe(false);
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
