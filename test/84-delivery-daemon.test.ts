import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';
import { type Daemon, startDaemon } from '../src/daemon.ts';
import { chooseEngine } from '../src/engines/choose.ts';
import { openGroupRegistry } from '../src/groups/group-registry.ts';
import { bundleRunner } from '../src/images/bundle-runner.ts';
import { sessionFolders } from '../src/mailbox/session-folders.ts';
import { ReleaseStack } from '../src/release-stack.ts';
import type { ReceiptRow } from './fixtures/delivery-room.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type RecordingChannel, recordingChannel } from './fixtures/recording-channel.ts';

const releases = new ReleaseStack();
let root: string;
let dataDir: string;
let platform: RecordingChannel;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-delivery-'));
  await mkdir(join(root, 'groups', 'echo'), { recursive: true });
  await writeFile(join(root, 'groups', 'echo', 'group.yaml'), 'name: Echo\nagent: { provider: echo }\n');
  dataDir = join(root, 'data');
  await mkdir(dataDir);
  platform = recordingChannel('platform', false);
});
afterEach(async () => {
  await releases.releaseAll();
  await rm(root, { recursive: true, force: true });
  expect(platform.offences).toEqual([]);
});

/** A whole host with that one platform. @returns it, and what ends it. */
async function open(): Promise<{ daemon: Daemon; close(): Promise<void> }> {
  const groupsDir = join(root, 'groups');
  const env = { BERTH_DATA_DIR: dataDir, BERTH_GROUPS_DIR: groupsDir, BERTH_SEND_TIMEOUT: '200ms' };
  const log = pino({ level: 'silent' });
  const engine = await chooseEngine('process', { fallback: true, dockerHost: undefined, bundleRunner }, log);
  releases.add('engine', () => engine.close());
  const groups = await openGroupRegistry({ groupsDir, log });
  releases.add('groups', () => groups.close());
  const onFatal = (error: Error) => {
    throw error;
  };
  const config = loadConfig(env, root);
  const daemon = await startDaemon({ config, engine, groups, log, channels: [platform], onFatal });
  releases.add('daemon', () => daemon.stop());
  return { daemon, close: () => releases.releaseAll() };
}

const say = (daemon: Daemon, text: string) =>
  daemon.host.accept({ channel: 'platform', group: 'echo', chat: 'one', text });

test('a whole host: a hung platform is told to chat and agent, and the next reply arrives', async () => {
  const { daemon } = await open();
  platform.plan('first', 'hang');
  const { session } = await say(daemon, 'first');
  await platform.called(2);
  await say(daemon, 'second');
  const shown = () => platform.shown('one');
  await waitUntil('the second reply', 10_000, () => shown().length === 2);
  expect(shown()).toEqual(['[E_SEND_UNCERTAIN]', 'second']);
  const second = () => daemon.outbox.list({ all: true }).at(-1);
  await waitUntil('the mark', 10_000, () => second()?.status === 'sent');
  await say(daemon, 'third');
  await waitUntil('the third reply', 10_000, () => shown().length === 3);
  const told = () => receipts(session).map(({ status, platform_id }) => [status, platform_id]);
  // What went wrong is told with the next message, what went well a moment later.
  expect(told()).toContainEqual(['uncertain', null]);
  await waitUntil('the other receipts', 5000, () => told().length === 3);
  expect(told()).toEqual([
    ['uncertain', null],
    ['sent', 'p3'],
    ['sent', expect.any(String)],
  ]);
  expect(daemon.outbox.list({ all: false })[0]).toMatchObject({ n: 1, status: 'uncertain', chat: 'one' });
});

test('an agent is told what became of its reply although nobody says anything more', async () => {
  const { daemon } = await open();
  const { session } = await say(daemon, 'first');
  await waitUntil('the reply', 10_000, () => platform.shown('one').length === 1);
  await waitUntil('the receipt', 5000, () => receipts(session).length === 1);
  expect(receipts(session)).toMatchObject([{ status: 'sent', platform_id: 'p1' }]);
});

test('what a container committed and a dead host did not collect is sent, and not taken for interrupted', async () => {
  const first = await open();
  const { session, message } = await say(first.daemon, 'first');
  await waitUntil('the reply', 10_000, () => platform.shown('one').length === 1);
  await first.close();
  const outbound = new Database(sessionFolders(dataDir, 'echo', session).outbound);
  outbound
    .prepare(
      `INSERT INTO messages (id, epoch, kind, in_reply_to, body, created_at) VALUES ('left', 1, 'chat', ?, ?, 1)`,
    )
    .run(message, JSON.stringify({ text: 'left behind', answers: [] }));
  outbound.close();
  const ledger = new Database(join(dataDir, 'host.db'));
  ledger.exec("UPDATE sessions SET state = 'awake'");
  ledger.close();
  platform.anotherHost();
  const { daemon } = await open();
  await waitUntil('what was left', 10_000, () => platform.shown('one').length === 2);
  expect(platform.shown('one')).toEqual(['first', 'left behind']);
  await waitUntil('the mark', 10_000, () => daemon.outbox.list({ all: true }).at(-1)?.status === 'sent');
});

function receipts(session: string): ReceiptRow[] {
  const db = new Database(sessionFolders(dataDir, 'echo', session).inbound, { readonly: true });
  const rows = db.prepare('SELECT out_id, status, detail, platform_id FROM receipts').all() as ReceiptRow[];
  db.close();
  return rows;
}
