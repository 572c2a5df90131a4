import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type HostProcess, startHost } from './fixtures/host-process.ts';
import { rawRequest } from './fixtures/raw-http.ts';

// Processes are started here, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const LONG = 'x'.repeat(10 * 1024);
/** As they stand in a path; `%2e` is a dot, `%2f` a slash. */
const IN_PATHS = {
  'two dots': '..',
  'two dots, encoded': '%2e%2e',
  'a way up': '..%2f..%2f..%2fetc%2fpasswd',
  'a way up, in a name': 'a..b',
  'a slash': 'a%2fb',
  'a backslash': 'a%5cb',
  'a NUL': 'a%00b',
  'a line feed': 'a%0ab',
  'an escape': '%1b[2J',
  'a delete': 'a%7fb',
  '10 KB': LONG,
  '10 KB of escapes': '%41'.repeat(3 * 1024),
};
const IN_BODIES = [
  '..',
  '.',
  '../../x',
  'a/b',
  'a\\b',
  'a\0b',
  'a\nb',
  '\u001b[31m',
  '\u007f',
  '\ud800',
  LONG,
  '',
];

let host: HostProcess;
let folders: string[];

beforeAll(async () => {
  host = await startHost({
    groups: { demo: 'name: Demo\n', other: 'name: Other\n' },
    env: { BERTH_ENGINE: 'process' },
  });
  await host.ask('other', 'one', 'here');
  folders = await foldersOfHost();
});

afterAll(() => host.dispose());

/** Whatever was refused: no folder has appeared anywhere, and another session is answered. */
beforeEach(() => async () => {
  expect(await foldersOfHost()).toEqual(folders);
  expect(await host.ask('other', 'one', 'next')).toMatchObject({ text: 'next' });
});

async function foldersOfHost(): Promise<string[]> {
  const entries = await readdir(host.root, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  return paths.filter((path) => !path.includes('/out/files')).toSorted();
}

test.each(Object.entries(IN_PATHS))('a group named by %s', async (_, name) => {
  for (const [method, rest, body] of requests('one')) {
    const answer = await rawRequest(host, method, `/v1/groups/${name}/chats/${rest}`, body);
    expect(answer).toMatchObject({
      status: 404,
      code: expect.stringMatching(/^E_(GROUP_UNKNOWN|NOT_FOUND)$/),
    });
    expect(JSON.stringify(answer.body).length).toBeLessThan(400);
  }
});

test.each(Object.entries(IN_PATHS))('a chat named by %s', async (_, name) => {
  for (const [method, rest, body] of requests(name)) {
    const answer = await rawRequest(host, method, `/v1/groups/demo/chats/${rest}`, body);
    expect(answer).toMatchObject({ status: 400, code: 'E_BAD_NAME' });
    expect(answer.body).toMatchObject({ error: { message: expect.stringMatching(/^chat has /) } });
  }
});

/** Everything that can be asked of a chat. */
function requests(chat: string): [string, string, (object | Buffer)?][] {
  return [
    ['POST', `${chat}/messages`, { text: 'hello' }],
    ['GET', `${chat}/messages`],
    ['GET', `${chat}/events`],
    ['POST', `${chat}/uploads?name=a.txt`, Buffer.from('content')],
    ['GET', `${chat}/files/r1/a.txt`],
    ['DELETE', chat],
  ];
}

test('a path that is no path', async () => {
  for (const path of ['/v1/groups/demo/chats/%zz/messages', '/v1/groups/demo/chats/%c3%28/messages']) {
    expect(await rawRequest(host, 'POST', path, { text: 'x' })).toMatchObject({
      status: 400,
      code: 'E_BAD_REQUEST',
    });
  }
  const endless = `/v1/groups/demo/chats/${'x'.repeat(100_000)}/messages`;
  expect(await rawRequest(host, 'GET', endless)).toMatchObject({ status: 431, code: 'E_TOO_LARGE' });
});

test.each([
  ['id', (name: string) => ({ text: 'x', id: name })],
  ['thread', (name: string) => ({ text: 'x', thread: name })],
  ['sender.id', (name: string) => ({ text: 'x', sender: { id: name } })],
  ['sender.name', (name: string) => ({ text: 'x', sender: { id: 'u', name } })],
  ['files.name', (name: string) => ({ text: 'x', files: [{ upload: 'up_0123456789', name }] })],
])('%s that is not allowed', async (field, message) => {
  for (const name of IN_BODIES) {
    const { status, body } = await host.post('demo', 'one', message(name));
    expect({ status, error: body.error }, JSON.stringify(name.slice(0, 20))).toMatchObject({
      status: 400,
      error: { code: 'E_BAD_NAME', message: expect.stringMatching(new RegExp(`^${field} `)) },
    });
  }
  expect(await host.events('demo', 'one')).toEqual([]);
});

test('the name of an upload, and the id of one', async () => {
  const uploads = '/v1/groups/demo/chats/one/uploads';
  for (const name of ['..', 'a%2f..%2fb', 'a%00', LONG, '']) {
    const answer = await rawRequest(host, 'POST', `${uploads}?name=${name}`, Buffer.from('content'));
    expect(answer).toMatchObject({ status: 400, code: 'E_BAD_NAME' });
  }
  for (const upload of ['..', '../../../etc/passwd', 'up_0123456789', LONG, 'up_\0', '']) {
    const { status, body } = await host.post('demo', 'one', {
      text: 'x',
      files: [{ upload, name: 'a.txt' }],
    });
    expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'E_UPLOAD_UNKNOWN' });
  }
});

test('the name of a session, and of a file', async () => {
  for (const name of Object.values(IN_PATHS).filter((path) => path !== '..' && path !== '%2e%2e')) {
    expect(await rawRequest(host, 'GET', `/v1/sessions/${name}`)).toMatchObject({
      status: 404,
      code: 'E_SESSION_UNKNOWN',
    });
    for (const path of [`${name}/a.txt`, `r1/${name}`])
      expect(await rawRequest(host, 'GET', `/v1/groups/other/chats/one/files/${path}`)).toMatchObject({
        status: 404,
        code: 'E_NOT_FOUND',
      });
  }
});

test('names that only look dangerous work', async () => {
  const names = [
    '$(reboot)',
    '-rf',
    "'; DROP TABLE chats; --",
    'Zoë 🎉',
    'a b',
    '%',
    '__proto__',
    'constructor',
    'x'.repeat(200),
  ];
  for (const name of names) {
    const message = { text: name, id: name, thread: name, sender: { id: name, name } };
    const { status, body } = await host.post('other', name, message);
    expect({ name, status }).toEqual({ name, status: 202 });
    const [event] = await host.waitForEvents('other', name, (events) => events.length > 0);
    expect(event).toMatchObject({ text: name, thread: name, answers: [body.message] });
    expect((await host.request('DELETE', `/v1/groups/other/chats/${encodeURIComponent(name)}`)).status).toBe(
      204,
    );
  }
});
