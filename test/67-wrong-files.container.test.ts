import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type HostProcess, type HttpEvent, startHost } from './fixtures/host-process.ts';

const fixture = (name: string) => readFile(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const MiB = 1024 * 1024;

let host: HostProcess;

beforeAll(async () => {
  host = await startHost({
    groups: {
      bot: {
        yaml: 'name: Bot\nagent: {command: [node, /group/bot.mjs]}\n',
        workspace: { 'bot.mjs': await fixture('wrong-bot.mjs') },
      },
      runner: {
        yaml: 'name: Runner\nrunner: [node, /group/runner.mjs]\n',
        workspace: {
          'runner.mjs': await fixture('wrong-runner.mjs'),
          'own-outbound.mjs': await fixture('own-outbound.mjs'),
        },
      },
    },
    env: { BERTH_MAX_FILE: '1MiB' },
  });
});

afterAll(() => host.dispose());

/** The session that sent something wrong, and another one, send the next file. */
afterEach(async () => {
  for (const chat of ['one', 'other']) {
    const event = await host.ask('runner', chat, 'good');
    expect(event).toMatchObject({ text: 'this is good', files: [{ name: 'a.txt', bytes: 4 }] });
    expect(await contentOf('runner', chat, event)).toBe('good');
  }
});

async function contentOf(group: string, chat: string, { id, files }: HttpEvent): Promise<string> {
  const url = `${host.url}/v1/groups/${group}/chats/${chat}/files/${id}/${files[0]?.name}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${host.token}` } });
  expect(response.status).toBe(200);
  return await response.text();
}

/** The text arrives, without the file; right behind it the word why. */
async function refusedFile(group: string, text: string): Promise<string> {
  const { event, files, type, reason } = await host.ask(group, 'one', text);
  expect({ type, files }, reason ?? '').toEqual({ type: 'message', files: [] });
  const events = await host.waitForEvents(group, 'one', (all) => all.length > event);
  expect(events[event]).toMatchObject({
    type: 'failure',
    event: event + 1,
    code: 'E_FILE_REFUSED',
    answers: [],
  });
  expect(events[event]?.inReplyTo).toBe(events[event - 1]?.inReplyTo);
  return events[event]?.reason ?? '';
}

describe("a group's own runner names", () => {
  test.each([
    ['missing', /does not exist/],
    ['symlink', /does not lie in the folder for files/],
    ['hard-link', /more than one link/],
    ['directory', /is not a regular file/],
    ['fifo', /is not a regular file/],
    ['large', /has 1048577 bytes, 1048576 are allowed/],
    ['upwards', /./],
    ['far-upwards', /./],
    ['absolute', /./],
    ['database', /does not lie in the folder for files/],
    ['NUL', /./],
    ['folder-link', /does not lie in the folder for files/],
    ['inner-link', /does not lie in the folder for files/],
  ])('%s', async (text, reason) => {
    expect(await refusedFile('runner', text)).toMatch(reason);
    expect((await host.events('runner', 'one')).findLast(({ type }) => type === 'message')?.text).toBe(
      `this is ${text}`,
    );
  });
});

describe('a bot names', () => {
  const asked = (path: string) => host.ask('bot', 'one', `file ${path}`);

  test.each([
    ['/group/nothing', /there is no such file/],
    ['/group', /it is not a regular file/],
    ['/dev/zero', /it is not a regular file/],
    ['/proc/1/environ', /was not sent/],
    ['/session/out/outbound.db-nothing', /there is no such file/],
  ])('%s: the text arrives, and says it', async (path, reason) => {
    const event = await asked(path);
    expect(event).toMatchObject({ type: 'message', files: [], text: expect.stringMatching(/^see the file/) });
    expect(event.text).toMatch(reason);
  });

  test('more than the host allows', async () => {
    await writeFile(join(host.groupsDir, 'bot', 'workspace', 'large'), Buffer.alloc(2 * MiB));
    const event = await asked('/group/large');
    expect(event).toMatchObject({
      files: [],
      text: expect.stringMatching(/has 2097152 bytes, and 1048576 are allowed/),
    });
  });

  test("/etc/passwd: it gets its own container's, not the host's", async () => {
    const event = await asked('/etc/passwd');
    const content = await contentOf('bot', 'one', event);
    expect(content).toContain('/home/agent');
    expect(content).not.toBe(await readFile('/etc/passwd', 'utf8'));
  });
});
