import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedgerForWriting } from '../src/ledger/open-database.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';
import { cpuOf, freePort, hostEnvironment, pause, rssOf, spawnHost, stopHost } from './spawned-host.ts';
import { ECHO } from './warm.ts';

const SESSIONS = 10_000;
const STARTS = 10;

/** A ledger with ten thousand sessions asleep, each with a message that was answered: what a host takes to start, and then costs. */
export async function registered({ image, scale }: BenchPlace): Promise<Figure> {
  const root = await mkdtemp(join(tmpdir(), 'berth-registered-'));
  const dataDir = join(root, 'data');
  const port = await freePort();
  await mkdir(join(root, 'groups', 'echo'), { recursive: true });
  await writeFile(join(root, 'groups', 'echo', 'group.yaml'), ECHO);
  await mkdir(dataDir, { mode: 0o700 });
  register(join(dataDir, 'host.db'));
  const env = hostEnvironment(root, port, image);
  const url = `http://127.0.0.1:${port}`;
  try {
    const starts: number[] = [];
    for (let n = Math.max(3, STARTS * scale); n > 0; n--) {
      const began = performance.now();
      const host = await spawnHost(env, url, 5);
      starts.push(performance.now() - began);
      await stopHost(host);
    }
    const host = await spawnHost(env, url);
    await pause(Math.max(3000, 15_000 * scale)); // the first pruning is over then
    const seconds = Math.max(10, 60 * scale);
    const before = { cpu: cpuOf(host), at: performance.now() };
    await pause(seconds * 1000);
    const share = ((cpuOf(host) - before.cpu) / ((performance.now() - before.at) / 1000)) * 100;
    const rss = rssOf(host);
    await stopHost(host);
    const start = spread(starts);
    return {
      name: `registered: ${SESSIONS} sessions, start of the host`,
      against: 'from the start of its node process to the first ready answer, ms',
      ...start,
      targets: [
        atMost('start p50, ms', start.p50, 1500),
        atMost('RSS in MB', rss / 1e6, 250),
        atMost(`idle for ${seconds} s, % of a core`, share, 1),
      ],
    };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function register(path: string): void {
  const db = openLedgerForWriting(path);
  const count = `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${SESSIONS})`;
  const now = Date.now();
  db.exec(`BEGIN;
    ${count} INSERT INTO chats (id, channel, group_folder, chat, last_event) SELECT n, 'http', 'echo', 'c' || n, 1 FROM i;
    ${count} INSERT INTO sessions (id, group_folder, key, chat_id, last_seq, since, created_at)
      SELECT 's_' || n, 'echo', 'c' || n, n, 1, ${now}, ${now} FROM i;
    INSERT INTO leases SELECT id, 1, 'bench', ${now} FROM sessions;
    ${count} INSERT INTO inbox (id, session, seq, chat_id, content_hash, kind, body, status, due_at, created_at, ended_at)
      SELECT 'm_' || n, 's_' || n, 1, n, 'h', 'chat', '{"text":"hello"}', 'answered', ${now}, ${now}, ${now} FROM i;
    ${count} INSERT INTO outbox (session, row_id, chat_id, event, type, in_reply_to, body, status, created_at, sent_at)
      SELECT 's_' || n, 'r' || n, n, 1, 'message', 'm_' || n, '{"text":"hello","answers":[],"files":[],"rowId":"r"}',
        'sent', ${now}, ${now} FROM i;
    COMMIT`);
  db.close();
}
