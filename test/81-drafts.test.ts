import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { AwakeSession } from '../src/awake/awake-session.ts';
import type { ChatDraft } from '../src/channels/channel.ts';
import { systemClock } from '../src/clock.ts';
import { createDrafts } from '../src/delivery/follow-drafts.ts';
import { until } from './fixtures/runner-session.ts';

const CHAT = { channel: 'http', group: 'demo', chat: 'one' };

/** One session of one chat, with the message `m1` at work, and files that a test writes. */
function room() {
  const root = mkdtempSync(join(tmpdir(), 'berth-drafts-'));
  const out = join(root, 'out');
  mkdirSync(out);
  const open = new Map([['m1', { id: 'm1', attempt: 1, wake: true, dueAt: 0 }]]);
  const session = { id: 's1', open, folders: { out } } as AwakeSession;
  const lines: { msg: string; reason: string }[] = [];
  const asked = { chats: 0 };
  const place = { ...CHAT, thread: null };
  const drafts = createDrafts({
    awake: { all: () => [session] },
    clock: systemClock,
    log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    reads: {
      waitingChats: () => {
        asked.chats += 1;
        return open.size > 0 ? [place] : [];
      },
      waitingChat: (_session, message) => (open.has(message) ? place : undefined),
    },
  });
  onTestFinished(() => {
    drafts.close();
    rmSync(root, { recursive: true });
  });
  const heard: ChatDraft[] = [];
  return {
    ...{ session, open, drafts, heard, lines, asked },
    write(text: string, message = 'm1'): void {
      const path = join(out, 'draft.json');
      writeFileSync(`${path}.new`, JSON.stringify({ message_id: message, text, tool: null }));
      renameSync(`${path}.new`, path);
      drafts.note(session);
    },
    garble: () => writeFileSync(join(out, 'draft.json'), 'garbage'),
    listen: (address = CHAT) => drafts.subscribe(address, (draft) => heard.push(draft)),
  };
}

test('who follows a chat gets the present draft and each later one', async () => {
  const { write, listen, heard } = room();
  write('so far');
  listen();
  await until(() => heard.length === 1);
  expect(heard[0]).toEqual({
    ...CHAT,
    thread: null,
    session: 's1',
    inReplyTo: 'm1',
    text: 'so far',
    tool: null,
  });
  write('so far, so good');
  await until(() => heard.at(-1)?.text === 'so far, so good');
});

test('a draft is found without any event of the file as well', async () => {
  const { write, listen, heard, drafts, session } = room();
  listen();
  await wait(150); // what listening itself asks for has been looked at
  const { note } = drafts;
  drafts.note = () => undefined;
  write('unheard');
  drafts.note = note;
  await until(() => heard.at(-1)?.text === 'unheard');
  expect(session.open.size).toBe(1);
});

test('nobody listens, or only elsewhere: nothing is looked at', async () => {
  const { write, listen, heard, asked } = room();
  write('unheard');
  await wait(50);
  expect(asked.chats).toBe(0);
  const release = listen({ ...CHAT, chat: 'two' });
  write('unheard too');
  await until(() => asked.chats > 0);
  expect(heard).toEqual([]);
  release();
  const before = asked.chats;
  write('and that');
  await wait(50);
  expect(asked.chats).toBe(before);
});

test('the draft of a message of somebody else, or of one that is over, is shown to nobody', async () => {
  const { write, listen, heard, open } = room();
  listen();
  write('of another', 'm9');
  await wait(150);
  write('mine');
  await until(() => heard.length > 0);
  open.delete('m1');
  write('late');
  await wait(150);
  expect(heard.map(({ text }) => text)).toEqual(['mine']);
});

test('a thousand drafts a second are ten looks a second; the last one is shown', async () => {
  const { write, listen, heard, asked } = room();
  listen();
  const began = performance.now();
  for (let number = 0; number < 1000; number++) {
    write(`word ${number}`);
    if (number % 10 === 0) await wait(1);
  }
  await until(() => heard.at(-1)?.text === 'word 999');
  const seconds = (performance.now() - began) / 1000;
  expect(asked.chats).toBeLessThanOrEqual(10 * seconds + 2);
});

test('what is no draft is said once in the log, and a proper one after it is shown', async () => {
  const { garble, write, listen, heard, lines, drafts, session } = room();
  garble();
  listen();
  await until(() => lines.length === 1);
  garble();
  drafts.note(session);
  await wait(150);
  write('well again');
  await until(() => heard.length === 1);
  expect(lines).toMatchObject([{ msg: 'a draft of the container is not shown', session: 's1' }]);
});
