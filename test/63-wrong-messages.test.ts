import { readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type HostProcess, startHost } from './fixtures/host-process.ts';
import { rawRequest } from './fixtures/raw-http.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MiB = 1024 * 1024;
/** Waits for as long as the message says, in milliseconds. */
const SLOW = `let input = '';
for await (const chunk of process.stdin) input += chunk;
const { text } = JSON.parse(input).messages[0];
setTimeout(() => console.log(text), Number(text.split(' ')[1] ?? 0));`;
const UPLOADS = '/v1/groups/demo/chats/one/uploads?name=a.bin';
const UPLOADS_OF_SLOW = '/v1/groups/slow/chats/file/uploads?name=a.bin';

let host: HostProcess;

beforeAll(async () => {
  const slow = {
    yaml: 'name: Slow\nagent: {command: [node, /group/bot.mjs]}\n',
    workspace: { 'bot.mjs': SLOW },
  };
  host = await startHost({
    groups: { demo: 'name: Demo\n', slow },
    env: { BERTH_ENGINE: 'process', BERTH_MAX_QUEUE: '3', BERTH_MAX_FILE: '1MiB' },
  });
});

afterAll(() => host.dispose());

/** Whatever was refused: another session is answered. */
afterEach(async () => {
  expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
});

/** What lies in the folders of uploads, over all chats. */
async function storedUploads(): Promise<string[]> {
  const entries = await readdir(join(host.dataDir, 'uploads'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

async function upload(content: string, path = UPLOADS): Promise<string> {
  const { status, body } = await rawRequest(host, 'POST', path, Buffer.from(content));
  expect(status).toBe(201);
  return body.upload as string;
}

test('a group that there is not', async () => {
  for (const group of ['nobody', 'Demo', 'demo ', '.', 'global', 'constructor'])
    for (const [method, path, body] of [
      ['POST', 'messages', { text: 'hello' }],
      ['GET', 'messages'],
      ['GET', 'events'],
      ['DELETE', ''],
    ] as const) {
      const url = `/v1/groups/${encodeURIComponent(group)}/chats/one/${path}`.replace(/\/$/, '');
      const answer = await rawRequest(host, method, url, body);
      expect(answer, `${method} ${group}`).toMatchObject({ status: 404, code: 'E_GROUP_UNKNOWN' });
    }
});

describe('over the limit', () => {
  test('a text, and a body', async () => {
    const most = 960 * 1024 - 2; // beside the quotes
    const longest = await host.post('demo', 'one', 'x'.repeat(most));
    expect(longest.status).toBe(202);
    for (const length of [most + 1, MiB - 1000, 2 * MiB, 20 * MiB]) {
      const { status, body } = await host.post('demo', 'one', { id: 'long', text: 'x'.repeat(length) });
      expect({ length, status, ...body.error }).toMatchObject({ length, status: 413, code: 'E_TOO_LARGE' });
    }
    // Nothing was kept of it: the id is free.
    expect((await host.post('demo', 'one', { id: 'long', text: 'short' })).status).toBe(202);
    const events = await host.waitForEvents('demo', 'one', (all) => all.length >= 2);
    expect(events.map(({ text }) => text.length)).toEqual([most, 5]);
  });

  test('an upload, whether its length is said or not; nothing stays behind', async () => {
    const exact = await rawRequest(host, 'POST', UPLOADS, Buffer.alloc(MiB));
    expect(exact.status).toBe(201);
    expect(await storedUploads()).toEqual([exact.body.upload]);
    expect(await rawRequest(host, 'POST', UPLOADS, Buffer.alloc(MiB + 1))).toMatchObject({
      status: 413,
      code: 'E_TOO_LARGE',
    });
    const endless = new Readable({ read: (size) => void endless.push(Buffer.alloc(size)) });
    expect(await rawRequest(host, 'POST', UPLOADS, endless)).toMatchObject({
      status: 413,
      code: 'E_TOO_LARGE',
    });
    expect(await storedUploads()).toEqual([exact.body.upload]);
  });

  test('too many files, and no message at all', async () => {
    const files = Array.from({ length: 21 }, () => ({ upload: 'up_0123456789', name: 'a' }));
    for (const message of [{ text: 'x', files }, { text: '' }, { text: ' \n' }, { text: '', files: [] }]) {
      const { status, body } = await host.post('demo', 'one', message);
      expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'E_BAD_REQUEST' });
    }
  });
});

test('a full queue refuses, keeps what it has, and takes again when there is room', async () => {
  const post = (text: string) => host.post('slow', 'queue', { id: text, text });
  // Long enough for another session to be answered meanwhile.
  const first = await post('one 6000');
  const posted = [first, ...(await Promise.all(['two', 'three', 'four', 'five'].map(post)))];
  const accepted = posted.filter(({ status }) => status === 202).map(({ body }) => body.message);
  const refused = posted.filter(({ status }) => status !== 202);
  expect(accepted).toHaveLength(3);
  for (const { status, body } of refused)
    expect({ status, ...body.error }).toMatchObject({ status: 429, code: 'E_QUEUE_FULL' });
  // Meanwhile another session of the group is answered.
  expect(await host.ask('slow', 'other', 'quick')).toMatchObject({ text: 'quick' });
  expect(await host.events('slow', 'queue')).toEqual([]);

  const events = await host.waitForEvents('slow', 'queue', (all) => all.length >= 3);
  expect(events.flatMap(({ answers }) => answers).toSorted()).toEqual(accepted.toSorted());
  expect(await host.ask('slow', 'queue', 'room')).toMatchObject({ text: 'room', event: 4 });
});

test('a message with a file that a full queue refuses is taken as it is once there is room', async () => {
  const file = await upload('content', UPLOADS_OF_SLOW);
  const post = (text: string) => host.post('slow', 'file', { id: text, text });
  for (const text of ['one 5000', 'two', 'three']) expect((await post(text)).status).toBe(202);
  const message = { id: 'file', text: 'see', files: [{ upload: file, name: 'a.bin' }] };
  const refused = await host.post('slow', 'file', message);
  expect({ status: refused.status, ...refused.body.error }).toMatchObject({
    status: 429,
    code: 'E_QUEUE_FULL',
  });
  expect(await storedUploads()).toContain(file);

  await host.waitForEvents('slow', 'file', (all) => all.length >= 3);
  const taken = await host.post('slow', 'file', message);
  expect(taken).toMatchObject({ status: 202 });
  const { session, message: id } = taken.body;
  // What was refused has left nothing in the session, what was used nothing among the uploads.
  const files = join(host.dataDir, 'sessions', 'slow', session, 'in', 'files');
  expect(await readdir(files)).toEqual([id]);
  expect(await readFile(join(files, id, '1-a.bin'), 'utf8')).toBe('content');
  expect(await storedUploads()).not.toContain(file);
  await host.waitForEvents('slow', 'file', (all) => all.length === 4);
});

test('an upload that is older than an hour is none any more, whether or not it was pruned yet', async () => {
  const [old, young] = [await upload('old'), await upload('young')];
  const entries = await readdir(join(host.dataDir, 'uploads'), { recursive: true, withFileTypes: true });
  for (const [name, minutes] of [
    [old, 61],
    [young, 50],
  ] as const) {
    const at = new Date(Date.now() - minutes * 60_000);
    const found = entries.find((entry) => entry.name === name);
    await utimes(join(found?.parentPath ?? '', name), at, at);
  }
  const naming = (file: string) => ({ text: 'see', files: [{ upload: file, name: 'a.bin' }] });
  const { status, body } = await host.post('demo', 'one', naming(old));
  expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'E_UPLOAD_UNKNOWN' });
  expect(await host.post('demo', 'one', naming(young))).toMatchObject({ status: 202 });
});

describe('an id that was used before', () => {
  const posts = (messages: object[]) =>
    Promise.all(messages.map((message) => host.post('demo', 'ids', message)));

  test('the same content gets the same answer, other content is refused', async () => {
    const first = await host.post('demo', 'ids', { id: 'a', text: 'hello' });
    expect(first.status).toBe(202);
    await host.waitForEvents('demo', 'ids', (all) => all.length === 1);
    expect(await host.post('demo', 'ids', { id: 'a', text: 'hello' })).toEqual({
      status: 200,
      body: first.body,
    });
    for (const other of [
      { text: 'hello!' },
      { text: 'hello', sender: { id: 'somebody' } },
      { text: 'hello', thread: 't' },
    ]) {
      const { status, body } = await host.post('demo', 'ids', { id: 'a', ...other });
      expect({ status, ...body.error }).toMatchObject({ status: 409, code: 'E_DUPLICATE_ID' });
    }
    // In another chat the id is free.
    expect((await host.post('demo', 'ids too', { id: 'a', text: 'hello!' })).status).toBe(202);
    expect(await host.ask('demo', 'ids', 'after')).toMatchObject({ event: 2 });
  });

  test('at once: one is taken, its like get its answer, the others are refused', async () => {
    for (let round = 0; round < 5; round++) {
      const id = `at once ${round}`;
      const all = await posts(['x', 'y', 'x', 'y', 'x', 'y'].map((text) => ({ id, text })));
      const taken = all.findIndex(({ status }) => status === 202);
      const like = all.filter((_, index) => index !== taken && index % 2 === taken % 2);
      expect(like).toEqual([1, 2].map(() => ({ status: 200, body: all[taken]?.body })));
      const other = all.filter((_, index) => index % 2 !== taken % 2);
      expect(other.map(({ status, body }) => [status, body.error?.code])).toEqual(
        [1, 2, 3].map(() => [409, 'E_DUPLICATE_ID']),
      );
      await host.waitForEvents('demo', 'ids', (events) => events.length === round + 3);
    }
    expect(await host.ask('demo', 'ids', 'after')).toMatchObject({ event: 8 });
  });

  test('at once, with a file: it is used once', async () => {
    const file = await upload('content');
    const message = { id: 'file', text: 'see', files: [{ upload: file, name: 'a.bin' }] };
    const all = await Promise.all([1, 2, 3, 4].map(() => host.post('demo', 'one', message)));
    expect(all.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 202]);
    expect(new Set(all.map(({ body }) => body.message)).size).toBe(1);
    const other = await host.post('demo', 'one', { ...message, files: [{ upload: file, name: 'b.bin' }] });
    expect({ status: other.status, ...other.body.error }).toMatchObject({
      status: 409,
      code: 'E_DUPLICATE_ID',
    });
    const again = await host.post('demo', 'one', { ...message, id: 'file again' });
    expect({ status: again.status, ...again.body.error }).toMatchObject({
      status: 400,
      code: 'E_UPLOAD_UNKNOWN',
    });
    const events = await host.waitForEvents('demo', 'one', (list) =>
      list.some(({ answers }) => answers.includes(all[0]?.body.message ?? '')),
    );
    expect(events.at(-1)?.files).toEqual([{ name: 'a.bin', bytes: 7 }]);
  });
});
