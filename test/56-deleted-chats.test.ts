import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type HostProcess, startHost, waitUntil } from './fixtures/host-process.ts';

// Hosts are started here again and again, on a machine that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const CHAT = '/v1/groups/demo/chats/one';
/** Takes for ever the first time that it is asked in a session. */
const BOT = '[ -e ~/asked ] || { touch ~/asked; sleep 60; }; echo done';
const SLOW = `name: Slow\nagent: {command: [sh, -c, ${JSON.stringify(BOT)}]}\n`;

let host: HostProcess;
let armed: { BERTH_TEST_FAILPOINTS: string };

beforeEach(async () => {
  host = await startHost({
    groups: { demo: 'name: Demo\n', slow: SLOW },
    env: { BERTH_ENGINE: 'process', BERTH_STOP_GRACE: '500ms' },
    start: false,
  });
  onTestFinished(() => host.dispose());
  armed = { BERTH_TEST_FAILPOINTS: join(host.root, 'failpoints') };
  await mkdir(armed.BERTH_TEST_FAILPOINTS);
  await host.start();
});

const folder = (...path: string[]) => join(host.dataDir, 'sessions', 'demo', ...path);
const folders = async () => (await readdir(folder())).sort();
const epochOf = async (session: string) =>
  (await host.request<{ epoch: number }>('GET', `/v1/sessions/${session}`)).body.epoch;

/** A session that two containers have had, with something in its home. */
async function talk(): Promise<string> {
  await host.ask('demo', 'one', 'first');
  await host.kill('SIGTERM');
  await host.start(armed);
  const { body } = await host.post('demo', 'one', 'second');
  await host.waitForEvents('demo', 'one', (all) => all.length === 2);
  await writeFile(folder(body.session, 'home', 'note'), 'a secret');
  expect(await epochOf(body.session)).toBe(2);
  return body.session;
}

async function deleteAndDie(failpoint: string): Promise<void> {
  await writeFile(join(armed.BERTH_TEST_FAILPOINTS, failpoint), '1');
  await host.request('DELETE', CHAT).catch(() => undefined);
  await waitUntil('the end of the host', 10_000, () => host.process().signalCode === 'SIGKILL');
  await host.start();
}

test('killed when the rows of a deleted chat are gone: nothing of it comes back, and who writes next is answered', async () => {
  const session = await talk();
  await deleteAndDie('after-commit-deleteChat');
  await waitUntil('an empty folder', 10_000, async () => (await folders()).length === 0);

  expect(await host.ask('demo', 'one', 'third')).toMatchObject({ type: 'message', event: 1, text: 'third' });
  expect(await folders()).toEqual([session]);
  expect(existsSync(folder(session, 'home', 'note'))).toBe(false);
  expect(await epochOf(session)).toBe(3);
});

test('killed before the rows go: the chat is as it was, and can be deleted', async () => {
  const session = await talk();
  await deleteAndDie('before-commit-deleteChat');

  expect(await folders()).toEqual([session]);
  expect(existsSync(folder(session, 'home', 'note'))).toBe(true);
  expect(await host.ask('demo', 'one', 'third')).toMatchObject({ type: 'message', event: 3, text: 'third' });
  expect((await host.request('DELETE', CHAT)).status).toBe(204);
  expect(await folders()).toEqual([]);
});

test('a deletion that fails: what waits in the chat is answered, and it can be deleted later', async () => {
  const { body } = await host.post('slow', 'one', 'hello');
  const home = join(host.dataDir, 'sessions', 'slow', body.session, 'home');
  await waitUntil('the turn', 10_000, () => existsSync(join(home, 'asked')));
  const ledger = new Database(join(host.dataDir, 'host.db'));
  ledger.exec("CREATE TRIGGER stays BEFORE DELETE ON chats BEGIN SELECT RAISE(ABORT, 'it stays'); END");

  const refused = await host.request<{ error: object }>('DELETE', '/v1/groups/slow/chats/one');

  expect(refused).toMatchObject({ status: 500, body: { error: { code: 'E_LEDGER' } } });
  const events = await host.waitForEvents('slow', 'one', (all) => all.length > 0);
  expect(events).toMatchObject([{ type: 'message', text: 'done', answers: [body.message] }]);
  ledger.exec('DROP TRIGGER stays');
  ledger.close();
  expect((await host.request('DELETE', '/v1/groups/slow/chats/one')).status).toBe(204);
  expect(existsSync(home)).toBe(false);
});

test('at the start folders of sessions that the ledger does not know go, and nothing else', async () => {
  const session = await talk();
  await host.kill('SIGTERM');
  const stranger = `s_${'ab'.repeat(10)}`;
  const places = [folder(stranger), folder(`${stranger}.of-chat-7`), join(host.dataDir, 'crashes', stranger)];
  const others = ['broken', 's_short', `${session}.old`];
  for (const path of [...places, ...others.map((name) => folder(name))])
    await mkdir(join(path, 'home'), { recursive: true });

  await host.start();

  await waitUntil('the strangers to go', 10_000, () => !places.some((path) => existsSync(path)));
  expect(await folders()).toEqual([...others, session].sort());
  expect(existsSync(folder(session, 'home', 'note'))).toBe(true);
});
