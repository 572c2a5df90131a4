import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openBenchHost } from './bench-host.ts';
import type { BenchPlace } from './bench-place.ts';
import { atMost, type Figure, spread } from './figures.ts';
import { ECHO, warmUp } from './warm.ts';

const IN_SESSION = 10_000;
const IN_LEDGER = 1_000_000;
const BATCH = 50;

/**
 * A warm round trip with a long past in the ledger, alternating with one without. The session's own files have no past to bear:
 * what is settled is pruned there, and the few hundred rows between two prunings come and go in both alike.
 */
export async function history({ engine, image, scale }: BenchPlace): Promise<Figure> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-past-'));
  const dataDir = join(folder, 'data');
  const options = { engine, image, groups: { echo: ECHO } };
  try {
    const before = await openBenchHost({ ...options, dataDir });
    await before.say('chat', 'first');
    await before.close();
    addPast(join(dataDir, 'host.db'), Math.round(IN_LEDGER * Math.max(scale, 0.1)));
    const [old, young] = await Promise.all([openBenchHost({ ...options, dataDir }), openBenchHost(options)]);
    const [olds, youngs]: [number[], number[]] = [[], []];
    try {
      await warmUp(old, 'chat');
      await warmUp(young, 'chat');
      for (let batch = 0; batch < Math.max(2, 20 * scale); batch++) {
        for (let i = 0; i < BATCH; i++) youngs.push((await young.say('chat', 'hello')).ms);
        for (let i = 0; i < BATCH; i++) olds.push((await old.say('chat', 'hello')).ms);
      }
    } finally {
      await old.close();
      await young.close();
    }
    const [mine, theirs] = [spread(olds), spread(youngs)];
    return {
      name: 'history: 1,000,000 rows in the ledger, 10,000 answered messages of this session among them',
      against: 'the same without a past, in the same run',
      ...mine,
      floor: theirs,
      targets: [atMost('p50 / p50 without', mine.p50 / theirs.p50, 1.2)],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Answered messages and their replies: some in the session, the rest spread over a thousand others. */
function addPast(path: string, rows: number): void {
  const db = new Database(path);
  const session = db.prepare('SELECT id, chat_id FROM sessions').get() as { id: string; chat_id: number };
  const count = 'WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?)';
  db.exec('BEGIN');
  db.prepare(
    `${count} INSERT INTO sessions (id, group_folder, key, chat_id, since, created_at, last_seq)
     SELECT 's_past' || n, 'echo', 'past' || n, ?, 1, 1, 1000 FROM i`,
  ).run(1000, session.chat_id);
  db.exec("INSERT INTO leases SELECT id, 1, 'bench', 1 FROM sessions WHERE id LIKE 's_past%'");
  const inbox = `INSERT INTO inbox (id, session, seq, chat_id, content_hash, kind, wake, body, status, replied, due_at, created_at, ended_at)`;
  const outbox = `INSERT INTO outbox (session, row_id, chat_id, event, type, in_reply_to, body, status, created_at, sent_at)`;
  const said = `'hash', 'chat', 1, '{"text":"hello","sender":{"id":"somebody"},"chat":"chat","thread":null,"files":[]}', 'answered', 1, 1, 1, 1`;
  const reply = `'{"text":"hello","answers":[],"files":[],"rowId":"x"}', 'sent', 1, 1`;
  db.prepare(`${count} ${inbox} SELECT 'm_old' || n, ?, 1000000 + n, ?, ${said} FROM i`).run(
    IN_SESSION,
    session.id,
    session.chat_id,
  );
  db.prepare(
    `${count} ${inbox} SELECT 'm_past' || n, 's_past' || (n % 1000 + 1), 1000 + n, ?, ${said} FROM i`,
  ).run(rows / 2, session.chat_id);
  db.prepare(
    `${count} ${outbox} SELECT ?, 'r_old' || n, ?, 10000000 + n, 'message', 'm_old' || n, ${reply} FROM i`,
  ).run(IN_SESSION, session.id, session.chat_id);
  db.prepare(
    `${count} ${outbox} SELECT 's_past' || (n % 1000 + 1), 'r_past' || n, ?, 20000000 + n, 'message', 'm_past' || n, ${reply} FROM i`,
  ).run(rows / 2, session.chat_id);
  db.prepare('UPDATE sessions SET last_seq = 2000000 WHERE id = ?').run(session.id);
  db.prepare('UPDATE chats SET last_event = 40000000 WHERE id = ?').run(session.chat_id);
  db.exec('COMMIT');
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}
