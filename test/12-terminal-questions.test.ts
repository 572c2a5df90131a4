import { expect, test } from 'vitest';
import { openTerminal } from './fixtures/terminal.ts';

const question = { id: 'q_1', options: ['Red', 'Dark blue'] };

test('the options of a question are numbered; a number or the words answer it, once; other words are a message', async () => {
  const { host, input, channel, err, deliver, reply } = openTerminal();
  await channel.start(host);
  await deliver({ text: 'Which colour?', question });
  expect(err.text()).toContain('  1. Red\n  2. Dark blue\n');
  input.write('wait a little\n3\n2\n1\n');
  while (host.accepted.length < 4) await new Promise(setImmediate);
  expect(host.accepted.map(({ text, answers }) => [text, answers])).toEqual([
    ['wait a little', undefined],
    ['3', undefined],
    ['Dark blue', 'q_1'],
    ['1', undefined],
  ]);
  await deliver({ text: 'And this?', question: { ...question, id: 'q_2' } });
  input.end(' dark  BLUE \n');
  while (host.accepted.length < 5) await new Promise(setImmediate);
  expect(host.accepted[4]).toMatchObject({ text: 'Dark blue', answers: 'q_2' });
  for (const message of host.accepted) await reply(message);
  expect(await channel.done).toBe(0);
});

test('a question without options is answered by the next line, but not by a command', async () => {
  const { host, input, channel, deliver, reply } = openTerminal();
  host.onAccept = (message) => void reply(message);
  await channel.start(host);
  await deliver({ text: 'When?', question: { id: 'q_1', options: [] } });
  input.end('/status\ntomorrow\nthanks\n');
  expect(await channel.done).toBe(0);
  expect(host.accepted.map(({ text, answers }) => [text, answers])).toEqual([
    ['/status', undefined],
    ['tomorrow', 'q_1'],
    ['thanks', undefined],
  ]);
});

test('on a terminal the options stand below the question', async () => {
  const { host, channel, out, deliver } = openTerminal({ tty: true });
  await channel.start(host);
  await deliver({ text: 'Which colour?', question: { id: 'q_1', options: ['Red\u001b[2J', 'Blue'] } });
  await out.until('2. Blue');
  expect(out.text()).toContain('  1. Red\n');
});
