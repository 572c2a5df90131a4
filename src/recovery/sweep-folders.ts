import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import { setStraysAside } from '../mailbox/deleted-folders.ts';
import { crashFolder } from './crash-report.ts';

interface Dependencies {
  reads: Pick<LedgerReads, 'sessionPlaces'>;
  log: Logger;
  dataDir: string;
}

/**
 * At the host's start, before anything is woken or begun: what a host that was killed had yet to remove of deleted chats, or was
 * about to give a session that never came to be, is no other session's. Resolves when it is out of the way; it is removed meanwhile.
 */
export async function sweepFolders({ reads, log, dataDir }: Dependencies): Promise<void> {
  try {
    const chats = new Map(reads.sessionPlaces().map(({ id, chatId }) => [id, chatId] as const));
    const sessions = join(dataDir, 'sessions');
    const groups = await readdir(sessions).catch(() => []);
    const places = [...groups.map((group) => join(sessions, group)), dirname(crashFolder(dataDir, 's'))];
    const left: string[] = [];
    for (const place of places) left.push(...(await setStraysAside(place, chats)));
    if (left.length === 0) return;
    log.warn({ folders: left }, 'folders of sessions that the ledger does not know are removed');
    void removeAll(left, log);
  } catch (error) {
    log.warn({ err: error }, 'folders of deleted chats could not be looked for');
  }
}

async function removeAll(paths: string[], log: Logger): Promise<void> {
  for (const path of paths) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
      log.warn({ err: error, path }, 'what is left of a deleted chat could not be removed');
    });
  }
}
