import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { containersOf } from './fixtures/containers-of.ts';
import { type HostProcess, startHost, waitUntil } from './fixtures/host-process.ts';
import { rawRequest } from './fixtures/raw-http.ts';
import { canMount, mountSmallDisk, type SmallDisk } from './fixtures/small-disk.ts';

const SLOW = 'name: Slow\nagent: {command: [sh, -c, "sleep 2; echo done"]}\n';
const LONG = 'x'.repeat(100_000);

describe.skipIf(!canMount)('a full disk', () => {
  let root: string;
  let disk: SmallDisk;
  let host: HostProcess;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-full-'));
    disk = await mountSmallDisk(join(root, 'disk'), 24);
    host = await startHost({
      groups: { demo: 'name: Demo\n', slow: SLOW, brief: 'name: Brief\nidle: {freeze: off, stop: 2s}\n' },
      env: { BERTH_DATA_DIR: join(disk.path, 'data') },
    });
  });

  afterEach(async () => {
    await disk.makeRoom();
    console.log(
      host.log
        .slice(2)
        .map((l) => JSON.stringify(l).slice(0, 400))
        .join('\n'),
      host.stderr(),
    );
    await host.dispose();
    expect(await containersOf(host)).toEqual([]);
    await disk.unmount();
    await rm(root, { recursive: true, force: true });
  });

  /** Posts until the host says that it has no room. @returns what it took. */
  async function postUntilFull(group: string, chat: string): Promise<string[]> {
    const taken: string[] = [];
    for (let n = 0; n < 60; n++) {
      const { status, body } = await host.post(group, chat, { id: `id ${n}`, text: `${n} ${LONG}` });
      if (status === 507) {
        expect(body.error).toMatchObject({ code: 'E_DISK_FULL', message: expect.stringContaining('full') });
        return taken;
      }
      expect(status).toBe(202);
      taken.push(body.message);
    }
    throw new Error(`${taken.length} messages went onto a full disk`);
  }

  /** Each of these messages has one reply, and nothing else has any. */
  async function expectAnswers(group: string, chat: string, messages: string[]): Promise<void> {
    const replies = async () => (await host.events(group, chat)).filter(({ type }) => type === 'message');
    const answered = async () => (await replies()).flatMap(({ answers }) => answers);
    await waitUntil('all answers', 45_000, async () => (await answered()).length >= messages.length).catch(
      () => {},
    );
    expect(await answered()).toEqual(messages);
  }

  test('messages and uploads are refused, nothing is half kept, and with room again all goes on', async () => {
    const before = await host.ask('demo', 'one', 'before');
    expect(await host.ask('demo', 'other', 'before')).toMatchObject({ text: 'before' });
    await disk.fill();
    const taken = await postUntilFull('demo', 'one');
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
    const again = await host.post('demo', 'one', {
      id: `id ${taken.length}`,
      text: 'now with other content',
    });
    expect(again.status).toBe(202);
    expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
    await expectAnswers('demo', 'one', [...before.answers, ...taken, again.body.message]);
  }, 90_000);

  test('a turn that ends on a full disk is answered once, after there is room', async () => {
    const { body } = await host.post('slow', 'one', 'hello');
    await waitUntil('the turn', 20_000, () => host.log.some(({ msg }) => msg === 'session awake'));
    await disk.fill();
    await postUntilFull('demo', 'one');
    const died = () => host.log.some(({ msg }) => /died|cannot|full/.test(String(msg)));
    await waitUntil('the turn to end', 20_000, died);
    await disk.makeRoom();
    expect(await host.ask('demo', 'other', 'next')).toMatchObject({ text: 'next' });
    await expectAnswers('slow', 'one', [body.message]);
  }, 90_000);

  test('a session that should sleep does, or later: the host goes on', async () => {
    await host.ask('brief', 'one', 'hello');
    await disk.fill();
    const taken = await postUntilFull('demo', 'one');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
    await disk.makeRoom();
    expect(await host.ask('brief', 'one', 'again')).toMatchObject({ text: 'again', event: 2 });
    await expectAnswers('demo', 'one', taken);
  }, 90_000);
});

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
