import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { type HostRoom, openHostRoom } from './fixtures/host-room.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const workspace = { 'bot.mjs': fixture('bots/tool-caller.mjs') };
const agent = 'agent: { provider: command, command: [node, /group/bot.mjs], options: { mcp: true } }';
const groups = {
  bot: { yaml: `name: Bot\n${agent}\ntimezone: UTC\n`, workspace },
  shared: { yaml: `name: Shared\n${agent}\nsession: shared\n`, workspace },
  brief: { yaml: `name: Brief\n${agent}\nidle: { freeze: off, stop: 1s }\n`, workspace },
  asks: {
    yaml: 'name: Asks\nrunner: [node, /group/runner.mjs]\n',
    workspace: {
      'runner.mjs': fixture('asking-runner.mjs'),
      'own-outbound.mjs': fixture('own-outbound.mjs'),
    },
  },
};

// Each test is many turns.
vi.setConfig({ testTimeout: 180_000 });

type Call = [name: string, args: object];
const calls = (...list: Call[]): string => JSON.stringify({ calls: list });
/** What the tools said to the agent, in the reply of its turn. */
const resultsOf = (reply: { text: string }): string[] => JSON.parse(reply.text).results;
const question = (wait_seconds: number): Call => [
  'ask_user',
  { question: 'Red or blue?', options: ['Red', 'Blue'], wait_seconds },
];

/** Waits for the question. @returns its id. */
async function asked(host: HostRoom, chat: string): Promise<string> {
  const events = await host.waitForEvents('bot', chat, (all) => all.some((event) => event.question));
  const [found] = events.filter((event) => event.question);
  expect(found).toMatchObject({ text: 'Red or blue?', question: { options: ['Red', 'Blue'] }, answers: [] });
  return found?.question?.id ?? '';
}

const answer = (host: HostRoom, chat: string, answers: string) =>
  host.post('bot', chat, { text: 'Blue', answers });

test('the agent sends messages and files in mid-turn, plans tasks, and is told what is wrong with a call', async () => {
  const host = await openHostRoom({ groups });
  const at = new Date(Date.now() + 8_000).toISOString();
  const reply = await host.ask(
    'bot',
    'one',
    calls(
      ['send_message', { text: 'half way' }],
      ['send_message', { text: 'x', destination: 'http:two' }],
      ['send_file', { path: 'bot.mjs', name: 'me.txt', text: 'this is me' }],
      ['send_file', { path: '/etc/nothing' }],
      ['list_destinations', {}],
      ['schedule', { text: 'water the plants', at }],
      ['schedule', { text: 'daily', cron: '0 9 * * *', timezone: 'Europe/Berlin' }],
      ['schedule', { text: 'never', cron: 'every day' }],
      ['list_schedules', {}],
      ['session_info', {}],
      ['send_message', { words: 'x' }],
    ),
  );
  const results = resultsOf(reply);
  expect(results[0]).toBe('Sent.');
  expect(results[1]).toMatch(/^!This session may not send to "http:two"\. There are "http:one"/);
  expect(results[2]).toBe('Sent as me.txt.');
  expect(results[3]).toBe('!There is no file /etc/nothing.');
  expect(JSON.parse(results[4] ?? '')).toEqual([
    { name: 'http:one', kind: 'chat', title: 'one', isDefault: true },
  ]);
  expect(JSON.parse(results[5] ?? '')).toMatchObject({ text: 'water the plants', cron: null });
  expect(JSON.parse(results[6] ?? '')).toMatchObject({ text: 'daily', timezone: 'Europe/Berlin' });
  expect(results[7]).toMatch(/^!`cron` is not .*\[E_REQUEST\]$/);
  expect(JSON.parse(results[8] ?? '')).toHaveLength(2);
  expect(JSON.parse(results[9] ?? '')).toMatchObject({ group: 'bot', chat: 'one', timezone: 'UTC' });
  expect(results[10]).toMatch(/^!send_message was not called: text: is missing; there is no argument words/);

  const events = await host.waitForEvents('bot', 'one', (all) =>
    all.some(({ text }) => text === 'water the plants'),
  );
  expect(events.map(({ text, files, answers }) => [text, files.length, answers.length]).slice(0, 2)).toEqual([
    ['half way', 0, 0],
    ['this is me', 1, 0],
  ]);
  expect(events[2]?.text).toBe(reply.text);
});

test('a session of one chat reaches no other, whatever its runner writes; one of all chats reaches each of them', async () => {
  const host = await openHostRoom({ groups });
  const request = JSON.stringify({ request: 'schedules' });
  await host.ask('asks', 'two', request);
  const send = { kind: 'chat', destination: 'http:two', wantsReceipt: true, text: 'for two' };
  await host.post('asks', 'one', JSON.stringify(send));
  await host.ask('asks', 'one', request);
  const refused = 'refused: this session has no destination "http:two"';
  await host.waitForEvents('asks', 'one', (all) => all.some(({ text }) => text === refused));
  expect(await host.events('asks', 'two')).toHaveLength(1);

  await host.ask('shared', 'one', 'hello');
  await host.ask('shared', 'two', 'hello');
  const reply = await host.ask(
    'shared',
    'one',
    calls(['send_message', { text: 'from one', destination: 'http:two' }], ['list_destinations', {}]),
  );
  const [sent, listed = ''] = resultsOf(reply);
  expect(sent).toBe('Sent.');
  expect(JSON.parse(listed).map(({ name }: { name: string }) => name)).toEqual(['http:one', 'http:two']);
  expect((await host.events('shared', 'two')).at(-1)).toMatchObject({
    ...{ text: 'from one', inReplyTo: null, answers: [] },
  });
});

test('a question is answered in time, later, and across a death of the host; a repeated turn does not ask again', async () => {
  const host = await openHostRoom({ groups });
  const inTime = await host.post('bot', 'one', calls(question(50)));
  const id = await asked(host, 'one');
  expect((await answer(host, 'one', 'q_unknown')).body.error?.code).toBe('E_QUESTION_UNKNOWN');
  expect((await answer(host, 'two', id)).body.error?.code).toBe('E_QUESTION_UNKNOWN');
  const { body } = await answer(host, 'one', id);
  const [, reply] = await host.waitForEvents('bot', 'one', (all) => all.length === 2);
  expect(resultsOf(reply ?? { text: '' })).toEqual(['The answer: Blue']);
  expect(reply?.answers).toEqual([inTime.body.message, body.message]);

  // The host dies while the call waits, and again after its turn has ended without an answer.
  await host.post('bot', 'dies', calls(question(50)));
  const early = await asked(host, 'dies');
  const late = await host.ask('bot', 'later', calls(question(0)));
  expect(resultsOf(late)[0]).toMatch(/^Nobody has answered yet\. The answer will come as a message/);
  await host.kill('SIGKILL');
  await host.start();
  await answer(host, 'dies', early);
  const events = await host.waitForEvents('bot', 'dies', (all) => all.length === 2);
  expect(resultsOf(events[1] ?? { text: '' })).toEqual(['The answer: Blue']);
  await answer(host, 'later', await asked(host, 'later'));
  const afterwards = await host.waitForEvents('bot', 'later', (all) => all.length === 3);
  expect(afterwards[2]?.text).toBe('"Blue" answers "Red or blue?"');

  await host.post('bot', 'again', JSON.stringify({ calls: [question(0)], crash: true }));
  const twice = await host.waitForEvents('bot', 'again', (all) =>
    all.some(({ answers }) => answers.length > 0),
  );
  expect(twice.map(({ text }) => text)).toEqual(['Red or blue?', expect.stringContaining('"attempt":2')]);
});

test('notes survive a stop, and /new forgets the conversation but not them', async () => {
  const host = await openHostRoom({ groups });
  await host.ask('brief', 'one', calls(['remember', { key: 'name', text: 'Ann' }]));
  const [{ id } = { id: '' }] = (await host.request<{ sessions: { id: string }[] }>('GET', '/v1/sessions'))
    .body.sessions;
  await host.waitForState(id, 'asleep');
  await host.ask('brief', 'one', '/new');
  const reply = await host.ask('brief', 'one', calls(['recall', { key: 'name' }], ['session_info', {}]));
  const [note, info = ''] = resultsOf(reply);
  expect(note).toBe('Ann');
  expect(JSON.parse(info)).toMatchObject({ conversation: 1 });
});
