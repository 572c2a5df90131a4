import { once } from 'node:events';
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import Database from 'better-sqlite3';
import { asBerthError, BerthError, type ErrorCode } from '../errors.ts';
import { createMemoryReader } from '../mailbox/read-memories.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import { keepPrivate } from '../private-file.ts';
import { startThread } from '../run-module.ts';
import { type CopyCount, copyTree } from './copy-tree.ts';

export interface BackupPlaces {
  dataDir: string;
  groupsDir: string;
  /** Where the backup is made. */
  folder: string;
}

/** What a backup is made of, in the order in which it is made. */
const PARTS = ['ledger', 'groups', 'sessions'] as const;

/** What a backup is not. */
const NOT_IN_BACKUP = [
  'secrets: `.env`, the environment, the HTTP token',
  'images (they are built again) and containers',
  'uploads that no message has named yet',
  'replies that a container has written and the host has not read yet (their messages are answered again)',
  'logs and crash reports',
  'one moment of a home or workspace in which an agent worked meanwhile: a database there may be torn (stop the host first)',
] as const;

/** How a backup goes, for whoever has asked for it. */
export type BackupEvent =
  | { event: 'progress'; part: (typeof PARTS)[number]; done: number; of: number }
  | ({ event: 'done'; folder: string; sessions: number; missing: readonly string[] } & CopyCount)
  | { event: 'failed'; code: ErrorCode; message: string };

/** The last file of a backup: without it a backup is not complete. */
export const MARKER = 'berth-backup.json';

/** @throws E_BACKUP_FOLDER when the folder is not empty, cannot be made, or lies where a container or the host writes. */
export function prepareBackupFolder({ dataDir, groupsDir, folder }: BackupPlaces): void {
  const refuse = (why: string, cause?: unknown) =>
    new BerthError('E_BACKUP_FOLDER', `${folder} cannot take a backup: ${why}`, cause);
  for (const [name, taken] of Object.entries({ data: dataDir, groups: groupsDir })) {
    const way = relative(realOf(taken), realOf(folder));
    if (way !== '..' && !way.startsWith(`..${sep}`)) throw refuse(`it lies in the ${name} folder ${taken}`);
  }
  let entries: string[];
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    entries = readdirSync(folder);
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
  if (entries.length > 0) throw refuse('it is not empty');
}

/**
 * Makes a backup in a thread of its own, beside the host's work. The folder has to be prepared. What went wrong comes as the
 * last event, and nothing is thrown; the folder is empty again then, as it is when `signal` ends it.
 */
export async function runBackup(
  { dataDir, groupsDir, folder }: BackupPlaces,
  onEvent: (event: BackupEvent) => void,
  signal?: AbortSignal,
): Promise<void> {
  let last: BackupEvent | undefined;
  try {
    const module = new URL('./back-up-thread.ts', import.meta.url);
    const worker = startThread(module, { dataDir, groupsDir, folder });
    const stop = () => void worker.terminate();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    worker.on('message', (event: BackupEvent) => {
      if (event.event === 'progress') onEvent(event);
      else last = event;
    });
    await once(worker, 'exit'); // throws what broke the thread
    signal?.removeEventListener('abort', stop);
    if (last?.event !== 'done') await empty(folder);
    last ??= failed(new Error('the backup was ended before it was complete'));
  } catch (error) {
    last = failed(error);
  }
  onEvent(last);
}

function failed(error: unknown): BackupEvent {
  const { code, message } = asBerthError(error);
  return { event: 'failed', code, message };
}

async function empty(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

/** The work itself; for a thread of its own, because it reads and writes synchronously. @throws E_DISK_FULL, E_LEDGER_DAMAGED. */
export async function backUp(places: BackupPlaces, tell: (event: BackupEvent) => void): Promise<void> {
  const { dataDir, groupsDir, folder } = places;
  const count: CopyCount = { files: 0, bytes: 0, skipped: [] };
  tell({ event: 'progress', part: 'ledger', done: 0, of: 1 });
  const sessions = copyLedger(join(dataDir, 'host.db'), join(folder, 'host.db'));
  tell({ event: 'progress', part: 'groups', done: 0, of: 1 });
  copyTree(groupsDir, join(folder, 'groups'), count);
  const memories = createMemoryReader();
  try {
    for (const [index, session] of sessions.entries()) {
      tell({ event: 'progress', part: 'sessions', done: index, of: sessions.length });
      await copySession(dataDir, folder, session, memories, count);
    }
  } finally {
    memories.close();
  }
  const result = { folder, sessions: sessions.length, missing: NOT_IN_BACKUP, ...count };
  const marker = JSON.stringify({ berthBackup: 1, at: new Date().toISOString(), ...result }, null, 2);
  writeFileSync(join(folder, MARKER), `${marker}\n`, { mode: 0o600, flush: true });
  tell({ event: 'done', ...result });
}

/** One moment of the ledger, whoever writes it meanwhile. @returns its sessions. */
function copyLedger(from: string, to: string): { id: string; group: string }[] {
  const ledger = new Database(from, { readonly: true, fileMustExist: true });
  try {
    keepPrivate(to);
    ledger.prepare('VACUUM INTO ?').run(to);
  } finally {
    ledger.close();
  }
  const copy = new Database(to, { readonly: true });
  try {
    const found = copy.pragma('quick_check(1)', { simple: true });
    if (found !== 'ok') throw new BerthError('E_LEDGER_DAMAGED', `the copy of ${from} is damaged: ${found}`);
    return copy
      .prepare<[], { id: string; group: string }>('SELECT id, group_folder AS "group" FROM sessions')
      .all();
  } finally {
    copy.close();
    const file = openSync(to, 'r+');
    fsyncSync(file);
    closeSync(file);
  }
}

async function copySession(
  dataDir: string,
  folder: string,
  { id, group }: { id: string; group: string },
  memories: ReturnType<typeof createMemoryReader>,
  count: CopyCount,
): Promise<void> {
  const from = sessionFolders(dataDir, group, id);
  const to = sessionFolders(folder, group, id);
  // The container's user passes through `in`.
  mkdirSync(to.in, { recursive: true, mode: 0o755 });
  for (const part of ['home', 'inFiles', 'sent'] as const) copyTree(from[part], to[part], count);
  try {
    const memory = await memories.read(from.outbound);
    if (memory?.length) writeFileSync(join(to.root, 'memory.json'), JSON.stringify(memory), { mode: 0o600 });
  } catch (error) {
    count.skipped.push({ path: `${group}/${id}: memory`, why: (error as Error).message });
  }
}

/** Where the path leads, as far as it exists. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realOf(above), relative(above, path));
  }
}
