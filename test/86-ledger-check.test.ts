import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import type { BerthError } from '../src/errors.ts';
import { checkLedger } from '../src/ledger/check-ledger.ts';
import { expectRefusal, runBerth } from './fixtures/berth-command.ts';
import { startHost, waitUntil } from './fixtures/host-process.ts';
import { openLedgerRoom } from './fixtures/ledger-room.ts';

/** A ledger with some messages, closed as a host closes it. */
async function closedLedger(length = 500): Promise<{ folder: string; path: string }> {
  const room = await openLedgerRoom();
  for (let n = 0; n < 200; n++) await room.accept(`message ${n} ${'x'.repeat(length)}`);
  room.reads.close();
  await room.writer.close();
  onTestFinished(() => rm(room.folder, { recursive: true, force: true }));
  return { folder: room.folder, path: join(room.folder, 'host.db') };
}

/** As a bad disk does: pages in the middle hold something else. */
async function damage(path: string): Promise<void> {
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  for (let at = 8192; at < size; at += 4096 * 3) await file.write(Buffer.alloc(512, 0xa5), 0, 512, at);
  await file.close();
}

const hashOf = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const never = (error: BerthError) => {
  throw error;
};

test('a sound ledger passes, also one that a killed host left with its log', async () => {
  const { path } = await closedLedger();
  expect(await checkLedger(path, 10_000, never)).toBe(true);
  const db = new Database(path);
  db.exec("INSERT INTO meta VALUES ('a', 'b')");
  expect(existsSync(`${path}-wal`)).toBe(true);
  expect(await checkLedger(path, 10_000, never)).toBe(true);
  db.close();
});

test('a ledger that takes too long is read on, and what is wrong is told then', async () => {
  const { path } = await closedLedger(100_000);
  await damage(path);
  const late: BerthError[] = [];
  expect(await checkLedger(path, 0, (error) => late.push(error))).toBe(false);
  await waitUntil('the check', 10_000, () => late.length > 0);
  expect(late).toMatchObject([{ code: 'E_LEDGER_DAMAGED', message: expect.stringContaining(path) }]);
});

test('no host starts on a damaged ledger, and not a byte of it changes', async () => {
  const { folder, path } = await closedLedger();
  await damage(path);
  const before = await hashOf(path);
  const host = await startHost({ groups: { echo: 'name: Echo\n' }, start: false });
  onTestFinished(() => host.dispose());
  const common = { BERTH_ENGINE: 'process', BERTH_HTTP_PORT: '0', BERTH_GROUPS_DIR: host.groupsDir };
  const refused = await runBerth(['host'], { env: { ...common, BERTH_DATA_DIR: folder } });
  expectRefusal(refused, 'E_LEDGER_DAMAGED', path);
  expect(await hashOf(path)).toBe(before);
});

test('a ledger that is gone from beside its sessions is not begun anew', async () => {
  const host = await startHost({ groups: { echo: 'name: Echo\n' }, env: { BERTH_ENGINE: 'process' } });
  onTestFinished(() => host.dispose());
  await host.ask('echo', 'one', 'hello');
  await host.kill('SIGTERM');
  for (const suffix of ['', '-wal', '-shm'])
    await rm(join(host.dataDir, `host.db${suffix}`), { force: true });
  await expect(host.start()).rejects.toThrow(/E_LEDGER_DAMAGED/);
  expect(existsSync(join(host.dataDir, 'host.db'))).toBe(false);
});
