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
let daemon: Daemon;
let dataDir: string;
let platform: RecordingChannel;

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-delivery-'));
  releases.add('folder', () => rm(root, { recursive: true, force: true }));
  const groupsDir = join(root, 'groups');
  await mkdir(join(groupsDir, 'echo'), { recursive: true });
  await writeFile(join(groupsDir, 'echo', 'group.yaml'), 'name: Echo\nagent: { provider: echo }\n');
  dataDir = join(root, 'data');
  await mkdir(dataDir);
  const env = { BERTH_DATA_DIR: dataDir, BERTH_GROUPS_DIR: groupsDir, BERTH_SEND_TIMEOUT: '200ms' };
  const config = loadConfig(env, root);
  const log = pino({ level: 'silent' });
  const engine = await chooseEngine('process', { fallback: true, dockerHost: undefined, bundleRunner }, log);
  releases.add('engine', () => engine.close());
  const groups = await openGroupRegistry({ groupsDir, log });
  releases.add('groups', () => groups.close());
  platform = recordingChannel('platform', false);
  const onFatal = (error: Error) => {
    throw error;
  };
  daemon = await startDaemon({ config, engine, groups, log, channels: [platform], onFatal });
  releases.add('daemon', () => daemon.stop());
});
afterEach(async () => {
  await releases.releaseAll();
  expect(platform.offences).toEqual([]);
});

test('a whole host: a hung platform is told to chat and agent, and the next reply arrives', async () => {
  const say = (text: string) => daemon.host.accept({ channel: 'platform', group: 'echo', chat: 'one', text });
  platform.plan('first', 'hang');
  const { session } = await say('first');
  await platform.called(2);
  await say('second');
  const shown = () => platform.shown('one');
  await waitUntil('the second reply', 10_000, () => shown().length === 2);
  expect(shown()).toEqual(['[E_SEND_UNCERTAIN]', 'second']);
  const second = () => daemon.outbox.list({ all: true }).at(-1);
  await waitUntil('the mark', 10_000, () => second()?.status === 'sent');
  // Receipts ride along with what is written next.
  await say('third');
  await waitUntil('the third reply', 10_000, () => shown().length === 3);
  expect(receipts(session).map(({ status, platform_id }) => [status, platform_id])).toEqual([
    ['uncertain', null],
    ['sent', 'p3'],
  ]);
  expect(daemon.outbox.list({ all: false })[0]).toMatchObject({ n: 1, status: 'uncertain', chat: 'one' });
});

function receipts(session: string): ReceiptRow[] {
  const db = new Database(sessionFolders(dataDir, 'echo', session).inbound, { readonly: true });
  const rows = db.prepare('SELECT out_id, status, detail, platform_id FROM receipts').all() as ReceiptRow[];
  db.close();
  return rows;
}
