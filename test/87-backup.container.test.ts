import { readFileSync } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { waitUntil } from './fixtures/host-process.ts';
import { type HostRoom, handyman, openHostRoom } from './fixtures/host-room.ts';

const ENDLESS = 'idle: { freeze: off, stop: off }';

const outboundOf = (dataDir: string, session: string) =>
  join(dataDir, 'sessions', 'handy', session, 'out', 'outbound.db');

/** The folders that a restored host works on. */
function elsewhere(host: HostRoom): { BERTH_DATA_DIR: string; BERTH_GROUPS_DIR: string } {
  return { BERTH_DATA_DIR: join(host.root, 'data2'), BERTH_GROUPS_DIR: join(host.root, 'groups2') };
}

const texts = (events: { text: string }[]) => events.map(({ text }) => text);

test('a host that is restored from a backup of a running one answers what waited, and nothing twice', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(ENDLESS) } });
  const first = await host.ask('handy', 'one', 'count');
  const file = await host.ask('handy', 'one', 'send a.txt hello there');
  const { body } = await host.post('handy', 'one', 'slow 6000');
  const { session } = body;
  note(outboundOf(host.dataDir, session), 'noted', 'by the runner');
  await waitUntil('the turn', 10_000, () => claims(outboundOf(host.dataDir, session)).includes('processing'));

  const backup = join(host.root, 'backup');
  const made = await host.berth('backup', backup);
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).toContain(`${backup}: 1 sessions, `);
  expect(made.stdout).toContain('not in a backup: secrets');
  expect((await readdir(backup)).sort()).toEqual(['berth-backup.json', 'groups', 'host.db', 'sessions']);
  expect((await stat(backup)).mode & 0o777).toBe(0o700);
  // The turn goes on as if nothing had been.
  await host.waitForEvents('handy', 'one', (all) => texts(all).includes('slow 2'));
  await host.kill('SIGKILL');

  const env = elsewhere(host);
  const restored = await runBerth(['restore', backup], { env });
  expect(restored).toMatchObject({ code: 0, stderr: '' });
  await host.start(env);
  const events = await host.waitForEvents('handy', 'one', (all) => all.length >= 3, 40_000);
  expect(events.map(({ answers }) => answers)).toEqual([first.answers, file.answers, [body.message]]);
  expect(texts(events)).toEqual(['count 1', 'sent', 'slow 2']);
  const next = await host.ask('handy', 'one', 'count');
  expect(next.text).toBe('count 3');
  // Who had read on meanwhile misses nothing of the restored host's.
  expect([events[2], next].map((event) => (event?.event ?? 0) > 1_000_000)).toEqual([true, true]);
  expect((await host.session(session)).epoch).toBeGreaterThan(1_000_000);
  const kept = await fetch(`${host.url}/v1/groups/handy/chats/one/files/${file.id}/a.txt`, {
    headers: { authorization: `Bearer ${host.token}` },
  });
  expect(await kept.text()).toBe('hello there');
  expect(recall(outboundOf(env.BERTH_DATA_DIR, session), 'noted')).toBe('by the runner');
}, 120_000);

test('without a host the command makes the backup itself, with events as JSON', async () => {
  const host = await openHostRoom({ groups: { handy: handyman(ENDLESS) } });
  await host.ask('handy', 'one', 'count');
  await host.kill('SIGTERM');
  const made = await host.berth('backup', join(host.root, 'backup'), '--json');
  expect(made).toMatchObject({ code: 0, stderr: '' });
  const events = made.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ event, part }) => part ?? event)).toEqual(['ledger', 'groups', 'sessions', 'done']);
  expect(events.at(-1)).toMatchObject({ sessions: 1, skipped: [], missing: expect.any(Array) });

  const env = elsewhere(host);
  expect(await runBerth(['restore', join(host.root, 'backup'), '--json'], { env })).toMatchObject({
    code: 0,
  });
  await host.start(env);
  expect(await host.ask('handy', 'one', 'count')).toMatchObject({ text: 'count 2' });
}, 60_000);

test('folders that can take no backup, and backups that cannot be restored', async () => {
  const host = await openHostRoom({ groups: { handy: handyman() } });
  const full = join(host.root, 'full');
  await mkdir(full);
  await writeFile(join(full, 'mine.txt'), 'mine');
  expectRefusal(await host.berth('backup', full), 'E_BACKUP_FOLDER', 'not empty');
  for (const taken of [host.dataDir, join(host.dataDir, 'new'), join(host.groupsDir, 'new', 'er')])
    expectRefusal(await host.berth('backup', taken), 'E_BACKUP_FOLDER', 'it lies in the');
  const file = join(full, 'mine.txt');
  expectRefusal(await host.berth('backup', join(file, 'below')), 'E_BACKUP_FOLDER', 'cannot take a backup');
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect(await readdir(host.groupsDir)).toEqual(['handy']);

  expectRefusal(await host.berth('restore', full), 'E_RESTORE', 'no complete backup');
  const backup = join(host.root, 'backup');
  expect(await host.berth('backup', backup)).toMatchObject({ code: 0 });
  expectRefusal(await host.berth('restore', backup), 'E_DATA_LOCKED');
  await host.kill('SIGTERM');
  expectRefusal(await host.berth('restore', backup), 'E_RESTORE', 'already has a ledger');
  const env = { BERTH_DATA_DIR: join(host.root, 'data2'), BERTH_GROUPS_DIR: host.groupsDir };
  expectRefusal(await runBerth(['restore', backup], { env }), 'E_RESTORE', 'already has handy');
});

/** As a runner notes something for itself. */
function note(path: string, key: string, value: string): void {
  const db = new Database(path, { timeout: 5000 });
  db.prepare('INSERT INTO memory VALUES (?, ?)').run(key, value);
  db.close();
}

function recall(path: string, key: string): string | undefined {
  const db = new Database(path, { readonly: true, timeout: 5000 });
  const row = db.prepare<[string], { value: string }>('SELECT value FROM memory WHERE key = ?').get(key);
  db.close();
  return row?.value;
}

function claims(path: string): string[] {
  const db = new Database(path, { readonly: true, timeout: 5000 });
  const rows = db.prepare<[], { status: string }>('SELECT status FROM claims').all();
  db.close();
  return rows.map(({ status }) => status);
}
