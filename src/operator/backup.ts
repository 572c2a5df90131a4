import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Config } from '../config.ts';
import { asBerthError, BerthError } from '../errors.ts';
import { lockDataFolder } from '../ledger/data-lock.ts';
import { type BackupEvent, type BackupPlaces, prepareBackupFolder, runBackup } from '../recovery/back-up.ts';
import { restore } from '../recovery/restore.ts';
import { askHost } from './ask-host.ts';

/**
 * `berth backup <folder>`: a copy of all that cannot be made again, of one moment of the ledger; by the running host, or here
 * where there is none.
 * @throws E_BACKUP_FOLDER, E_NO_HOST where there is no ledger either, E_DATA_LOCKED, E_DISK_FULL, E_LEDGER_DAMAGED.
 */
export async function backupCommand(
  config: Readonly<Config>,
  folder: string,
  options: { json?: boolean },
): Promise<void> {
  const { dataDir, groupsDir } = config;
  const places = { dataDir, groupsDir, folder: resolve(folder) };
  const view = options.json ? showJson : createView();
  const onEvent = (event: BackupEvent) => {
    if (event.event === 'failed') {
      if (options.json) showJson(event);
      throw new BerthError(event.code, event.message);
    }
    view(event);
  };
  try {
    const answer = await askHost(dataDir, '/backup', { folder: places.folder });
    let ended = false;
    for await (const line of createInterface({ input: answer })) {
      const event = JSON.parse(line) as BackupEvent;
      ended ||= event.event !== 'progress';
      onEvent(event);
    }
    if (!ended) throw new BerthError('E_NO_HOST', 'the host ended before the backup was complete');
  } catch (error) {
    const isAway = asBerthError(error).code === 'E_NO_HOST' && !(error as Error).message.includes('ended');
    if (!isAway) throw error;
    await backUpHere(places, onEvent);
  }
}

async function backUpHere(places: BackupPlaces, onEvent: (event: BackupEvent) => void): Promise<void> {
  if (!existsSync(join(places.dataDir, 'host.db')))
    throw new BerthError('E_NO_HOST', `there is no ledger in ${places.dataDir}`);
  const release = lockDataFolder(places.dataDir);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    prepareBackupFolder(places);
    const last: BackupEvent[] = [];
    await runBackup(
      places,
      (event) => (event.event === 'progress' ? onEvent(event) : last.push(event)),
      stop.signal,
    );
    for (const event of last) onEvent(event);
  } finally {
    await release();
  }
}

/** `berth restore <folder>`: makes data and groups folder of a backup. @throws E_RESTORE, E_DATA_LOCKED, E_LEDGER_DAMAGED. */
export async function restoreCommand(
  config: Readonly<Config>,
  folder: string,
  options: { json?: boolean },
): Promise<void> {
  const { dataDir, groupsDir } = config;
  const { at, sessions, files, bytes, skipped } = await restore({
    dataDir,
    groupsDir,
    folder: resolve(folder),
  });
  const { stdout } = process;
  if (options.json) {
    stdout.write(`${JSON.stringify({ at, sessions, files, bytes, skipped, dataDir, groupsDir })}\n`);
    return;
  }
  stdout.write(`restored the backup of ${at}: ${sessions} sessions, ${files} files, ${inMegabytes(bytes)}\n`);
  stdout.write(`data folder ${dataDir}, groups folder ${groupsDir}; the next host goes on from it\n`);
}

function showJson(event: BackupEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** One line that is redrawn on a terminal, a line per part elsewhere, both on stderr; what it came to on stdout. */
function createView(): (event: BackupEvent) => void {
  const { stdout, stderr } = process;
  let part = '';
  return (event) => {
    if (event.event === 'progress') {
      const line = event.of > 1 ? `${event.part}: ${event.done} of ${event.of}` : event.part;
      if (stderr.isTTY) stderr.write(`\r\u001b[K${line}`);
      else if (event.part !== part) stderr.write(`${event.part}\n`);
      part = event.part;
    } else if (event.event === 'done') {
      if (stderr.isTTY) stderr.write('\r\u001b[K');
      stdout.write(
        `${event.folder}: ${event.sessions} sessions, ${event.files} files, ${inMegabytes(event.bytes)}\n`,
      );
      for (const { path, why } of event.skipped) stdout.write(`left out: ${JSON.stringify(path)}: ${why}\n`);
      stdout.write(`not in a backup: ${event.missing.join('; ')}\n`);
    }
  };
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
