import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDocker } from '../src/engines/docker-connection.ts';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { containersOf } from './fixtures/containers-of.ts';
import { type HostProcess, type HttpEvent, startHost, waitUntil } from './fixtures/host-process.ts';
import { rawRequest } from './fixtures/raw-http.ts';
import { canMount, mountSmallDisk, type SmallDisk } from './fixtures/small-disk.ts';

const SLOW = 'name: Slow\nagent: {command: [sh, -c, "sleep 2; echo done"]}\n';
const MiB = 1024 * 1024;
const LONG = 'x'.repeat(100_000);

describe.skipIf(!canMount)('a full disk', () => {
  let root: string;
  let disk: SmallDisk;
  let host: HostProcess;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-full-'));
    disk = await mountSmallDisk(join(root, 'disk'), 24);
    host = await startHost({
      groups: {
        demo: 'name: Demo\n',
        slow: SLOW,
        brief: 'name: Brief\nidle: {freeze: off, stop: 2s}\n',
        frosty: 'name: Frosty\nidle: {freeze: 2s, stop: off}\n',
      },
      env: { BERTH_DATA_DIR: join(disk.path, 'data') },
    });
  });

  afterEach(async () => {
    await disk.makeRoom();
    await host.dispose();
    const left = await containersOf(host);
    await disk.unmount();
    await rm(root, { recursive: true, force: true });
    expect(left).toEqual([]);
  });

  /** Posts in turn to each of these chats until the host says that it has no room. @returns what it took, by chat. */
  async function postUntilFull(chats: string[]): Promise<Map<string, string[]>> {
    const taken = new Map(chats.map((chat): [string, string[]] => [chat, []]));
    for (let n = 0; n < 100; n++) {
      const chat = chats[n % chats.length] ?? '';
      const { status, body } = await host.post('demo', chat, { id: `id ${n}`, text: `${n} ${LONG}` });
      if (status === 507) {
        expect(body.error).toMatchObject({ code: 'E_DISK_FULL', message: expect.stringContaining('full') });
        return taken.set('refused', [chat, `id ${n}`]);
      }
      expect(status).toBe(202);
      taken.get(chat)?.push(body.message);
    }
    throw new Error('100 messages went onto a full disk');
  }

  /** Each of these messages has one reply, in order, and nothing else has any. */
  async function expectAnswers(group: string, chat: string, messages: string[]): Promise<void> {
    const answered = (events: HttpEvent[]) =>
      events.filter(({ type }) => type === 'message').flatMap(({ answers }) => answers);
    const enough = (events: HttpEvent[]) => answered(events).length >= messages.length;
    expect(answered(await host.waitForEvents(group, chat, enough, 50_000))).toEqual(messages);
  }

  test('messages and uploads are refused, nothing is half kept, and with room again all goes on', async () => {
    const before = await host.ask('demo', 'one', 'before');
    const other = await host.ask('demo', 'other', 'before');
    await disk.fill(MiB);
    const taken = await postUntilFull(['one', 'asleep', 'too']);
    expect(taken.get('one')?.length).toBeGreaterThan(0);
    await disk.fill();
    const uploads = '/v1/groups/demo/chats/one/uploads?name=a.bin';
    expect(await rawRequest(host, 'POST', uploads, Buffer.alloc(100_000))).toMatchObject({
      status: 507,
      code: 'E_DISK_FULL',
    });
    // What there is can be read.
    expect((await host.events('demo', 'one'))[0]).toMatchObject({ event: before.event, text: 'before' });
    expect((await fetch(`${host.url}/healthz`)).status).toBe(200);

    await disk.makeRoom();
    expect(await filesIn(join(disk.path, 'data', 'uploads'))).toEqual([]);
    for (const next of ['other', 'asleep', 'too'])
      taken.set(next, [...(taken.get(next) ?? []), (await host.post('demo', next, 'next')).body.message]);
    // Nothing was kept of what was refused: its id is free for other content.
    const [chat = '', id = ''] = taken.get('refused') ?? [];
    const again = await host.post('demo', chat, { id, text: 'something else' });
    expect(again.status).toBe(202);
    taken.get(chat)?.push(again.body.message);
    await expectAnswers('demo', 'one', [...before.answers, ...(taken.get('one') ?? [])]);
    for (const asked of ['asleep', 'too']) await expectAnswers('demo', asked, taken.get(asked) ?? []);
    await expectAnswers('demo', 'other', [...other.answers, ...(taken.get('other') ?? [])]);
  }, 120_000);

  test('a chat can be deleted on a full disk, which makes room', async () => {
    const uploads = '/v1/groups/brief/chats/one/uploads?name=a.bin';
    const { body } = await rawRequest(host, 'POST', uploads, Buffer.alloc(4 * MiB));
    const { upload } = body as { upload: string };
    const message = { text: 'keep this', files: [{ upload, name: 'a.bin' }] };
    const kept = await host.post('brief', 'one', message);
    await expectAnswers('brief', 'one', [kept.body.message]);
    const { session } = kept.body;
    await waitUntil('sleep', 20_000, async () => {
      const { body: view } = await host.request<{ state: string }>('GET', `/v1/sessions/${session}`);
      return view.state === 'asleep';
    });
    await disk.fill();
    await postUntilFull(['other']);
    expect((await host.request('DELETE', '/v1/groups/brief/chats/one')).status).toBe(204);
    expect(await host.events('brief', 'one')).toEqual([]);
    expect((await host.post('demo', 'two', 'hello')).status).toBe(202);
  }, 90_000);

  test('a turn that ends on a full disk is answered once, after there is room', async () => {
    const { body } = await host.post('slow', 'one', 'hello');
    await waitUntil('the turn', 20_000, () => logs('session awake'));
    await disk.fill();
    await postUntilFull(['one']);
    await waitUntil('the turn to end', 20_000, () => logs('container died') || logs('waits for room'));
    await disk.makeRoom();
    expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
    await expectAnswers('slow', 'one', [body.message]);
  }, 90_000);

  test('sessions whose idle times end meanwhile sleep or freeze once there is room', async () => {
    const { body } = await host.post('brief', 'one', 'hello');
    await expectAnswers('brief', 'one', [body.message]);
    await host.ask('frosty', 'one', 'hello');
    const answeredAt = performance.now();
    await disk.fill();
    await postUntilFull(['one']);
    await waitUntil('the idle time to end', 10_000, () => performance.now() > answeredAt + 3000);
    expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
    await disk.makeRoom();
    await waitUntil('sleep', 20_000, () => logs('session asleep'));
    for (const group of ['brief', 'frosty'])
      expect(await host.ask(group, 'one', 'again')).toMatchObject({ text: 'again', event: 2 });
    expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
  }, 90_000);

  test('a host that is stopped on a full disk ends; none starts there; with room all goes on', async () => {
    const { body } = await host.post('slow', 'one', 'hello');
    await waitUntil('the turn', 20_000, () => logs('session awake'));
    await disk.fill();
    const began = performance.now();
    await host.kill('SIGTERM');
    expect(performance.now() - began).toBeLessThan(20_000);
    const env = {
      BERTH_DATA_DIR: join(disk.path, 'data'),
      BERTH_GROUPS_DIR: host.groupsDir,
      BERTH_HTTP_PORT: '0',
      DOCKER_HOST: connectDocker(process.env.DOCKER_HOST).where,
    };
    expectRefusal(await runBerth(['host'], { env }), 'E_DISK_FULL', 'full');

    await disk.makeRoom();
    await host.start();
    await expectAnswers('slow', 'one', [body.message]);
    expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
  }, 90_000);

  function logs(words: string): boolean {
    return host.log.some(({ msg }) => String(msg).includes(words));
  }
});

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
