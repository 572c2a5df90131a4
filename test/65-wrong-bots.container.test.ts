import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type HostProcess, startHost } from './fixtures/host-process.ts';

const bot = await readFile(new URL('./fixtures/wrong-bot.mjs', import.meta.url), 'utf8');
const yaml = (command: string) =>
  `name: Wrong\nagent: {command: [${command}]}\nlimits: {turn: 2s, memory: 256m}\n`;

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
      'not-executable': { yaml: yaml('/group/readme/bot.mjs'), workspace: { readme: '' } },
      claude: 'name: Claude\nagent: {provider: claude}\n',
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
async function fails(group: string, text: string, limitMs?: number) {
  const before = (await host.events(group, 'one')).length;
  const event = await host.ask(group, 'one', text, limitMs);
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

test.each(['forever', 'stubborn'])('a bot that never ends (%s) is stopped at limits.turn', async (text) => {
  const began = performance.now();
  expect(await fails('bot', text)).toEqual({
    code: 'E_TURN_ABORTED',
    reason: expect.stringMatching(/took longer than 2 s.*\(limits\.turn\)/),
  });
  expect(performance.now() - began).toBeLessThan(8000);
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
  ['claude', 'E_TURN_FAILED', /^There is no provider "claude": this runner has echo, command\.$/],
])('a bot that is not there (%s)', async (group, code, reason) => {
  expect(await fails(group, 'hello')).toEqual({ code, reason: expect.stringMatching(reason) });
});

test('a bot that is not executable is named; made executable it answers', async () => {
  await host.writeGroup('not-executable', yaml('/group/bot.sh'), { 'bot.sh': '#!/bin/sh\necho done\n' });
});

test('a bot killed for want of memory is tried three times', async () => {
  expect(await fails('bot', 'kill SIGKILL', 30_000)).toEqual({
    code: 'E_TURN_RETRIES',
    reason: expect.stringMatching(
      /^The program was killed, most likely for want of memory \(limits\.memory\)/,
    ),
  });
});

test('a bot that takes all memory', async () => {
  const { code } = await fails('bot', 'memory', 40_000);
  expect(code).toMatch(/^E_TURN_(RETRIES|CRASHED)$/);
});

test('a bot that kills its container once is tried again in a new one', async () => {
  expect(await host.ask('bot', 'one', 'kill-once')).toMatchObject({ text: 'attempt 2' });
});

test('a bot that kills its container each time', async () => {
  expect(await fails('bot', 'kill-runner', 30_000)).toEqual({
    code: 'E_TURN_CRASHED',
    reason: expect.stringMatching(/^The container died while it worked on this: /),
  });
});
