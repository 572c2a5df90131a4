import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type HostProcess, startHost } from './fixtures/host-process.ts';

const bot = await readFile(new URL('./fixtures/wrong-bot.mjs', import.meta.url), 'utf8');
const yaml = (command: string) =>
  `name: Wrong\nagent: {command: [${command}]}\nlimits: {turn: 5s, memory: 256m}\n`;

let host: HostProcess;

beforeAll(async () => {
  host = await startHost({
    groups: {
      bot: { yaml: yaml('node, /group/bot.mjs'), workspace: { 'bot.mjs': bot } },
      missing: yaml('node, /group/bot.mjs'),
      'missing-program': yaml('/group/bot.mjs'),
      'missing-interpreter': {
        yaml: yaml('/group/bot.mjs'),
        workspace: { 'bot.mjs': '#!/usr/bin/nothing\n' },
      },
      script: { yaml: yaml('/group/bot.sh'), workspace: { 'bot.sh': '#!/bin/sh\necho done\n' } },
    },
  });
});

afterAll(() => host.dispose());

/** The session that went wrong, and another one, answer the next message. */
afterEach(async () => {
  expect(await host.ask('bot', 'other', 'say next')).toMatchObject({ text: 'next' });
  expect(await host.ask('bot', 'one', 'say next')).toMatchObject({ text: 'next' });
});

/** Asks; the one failure is all that comes of it. */
async function fails(group: string, text: string) {
  const before = (await host.events(group, 'one')).length;
  const event = await host.ask(group, 'one', text);
  expect(event).toMatchObject({ type: 'failure', event: before + 1 });
  expect(event.inReplyTo).toBe(event.answers[0]);
  const { code, reason } = event;
  return { code, reason };
}

test.each([
  ['exit 1', /^The program exited with code 1: the cupboard is bare$/],
  ['throw', /^The program exited with code 1: TypeError: the cupboard is bare$/],
  ['nothing', /^The program printed nothing\.$/],
  ['blank', /^The program printed nothing\.$/],
  ['megabyte', /^The program printed more than 256 KiB and was stopped\./],
  ['endless', /^The program printed more than 256 KiB and was stopped\./],
  ['later-line', /^Line 2 of what the program printed is not a JSON object with text, files or silent\.$/],
  ['no-text', /^Line 2 of what the program printed /],
  ['text-number', /"text" that is not a string/],
  ['files-text', /"files" that are not a list/],
  ['kill SIGABRT', /^The program was ended by SIGABRT/],
  ['kill SIGTERM', /^The program was ended by SIGTERM/],
])('a bot that does "%s"', async (text, reason) => {
  expect(await fails('bot', text)).toEqual({ code: 'E_TURN_FAILED', reason: expect.stringMatching(reason) });
});

test('what is no JSON is text, also when it is no text', async () => {
  expect(await host.ask('bot', 'one', 'half-json')).toMatchObject({ text: '{"text": "half' });
  expect(await host.ask('bot', 'one', 'bytes')).toMatchObject({ text: 'hi\ufffd\ufffd\0!' });
});

test.each([
  [
    'missing',
    'E_TURN_FAILED',
    /^The program exited with code 1: Error.*: Cannot find module '\/group\/bot\.mjs'/,
  ],
  ['missing-program', 'E_TURN_FAILED', /^The command \/group\/bot\.mjs was not found/],
  [
    'missing-interpreter',
    'E_TURN_FAILED',
    /^The command \/group\/bot\.mjs was not found \(or the interpreter/,
  ],
])('a bot that is not there (%s)', async (group, code, reason) => {
  expect(await fails(group, 'hello')).toEqual({ code, reason: expect.stringMatching(reason) });
});

test('a bot that is not executable; made executable it answers', async () => {
  const script = join(host.groupsDir, 'script', 'workspace', 'bot.sh');
  await chmod(script, 0o644);
  expect(await fails('script', 'hello')).toEqual({
    code: 'E_TURN_FAILED',
    reason: 'The command /group/bot.sh cannot be run: it is not executable (chmod +x).',
  });
  await chmod(script, 0o755);
  expect(await host.ask('script', 'one', 'hello')).toMatchObject({ text: 'done' });
});

test('what takes its time: a bot that never ends, one that is deaf, one killed for want of memory, one that kills its container', async () => {
  const chats = ['forever', 'stubborn', 'kill SIGKILL', 'kill-once'];
  const began = performance.now();
  const outcomes = chats.map(async (text) => {
    const { type, code, reason, event, text: reply } = await host.ask('bot', text, text);
    expect(await host.ask('bot', text, 'say next')).toMatchObject({ text: 'next', event: 2 });
    return { type, code, words: reason ?? reply, event, ms: performance.now() - began };
  });
  const [forever, stubborn, killed, killedOnce] = await Promise.all(outcomes);
  const words = expect.stringMatching(/took longer than 5 s.*\(limits\.turn\)/);
  expect(forever).toMatchObject({ code: 'E_TURN_ABORTED', words, event: 1 });
  expect(stubborn).toMatchObject({ code: 'E_TURN_ABORTED', words, event: 1 });
  expect(Math.max(forever?.ms ?? 0, stubborn?.ms ?? 0)).toBeLessThan(20_000);
  expect(killed).toMatchObject({ code: 'E_TURN_RETRIES', words: expect.stringContaining('(limits.memory)') });
  expect(killedOnce).toMatchObject({ type: 'message', words: 'attempt 2', event: 1 });
});
