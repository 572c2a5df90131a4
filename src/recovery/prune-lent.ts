import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';

interface Dependencies {
  reads: Pick<LedgerReads, 'sessionPlaces' | 'isMessage'>;
  clock: Clock;
  dataDir: string;
}

/** A message is durable a moment after its files are. */
const UNUSED_FOR_MS = 60 * 60_000;
/** Sessions that are looked at together, and the pause after them in milliseconds: nobody is in a hurry. */
const PAGE = 100;
const BREATH_MS = 20;

/**
 * Removes files of messages that never came to be, because the host died when they were lent, and of those that a host that died
 * had deleted: no row leads to them. @returns how many messages' files went. Ends early when `signal` says so.
 */
export async function pruneLent(deps: Dependencies, signal?: AbortSignal): Promise<number> {
  const sessions = deps.reads.sessionPlaces();
  let gone = 0;
  for (let next = 0; next < sessions.length && !signal?.aborted; next += PAGE) {
    const page = sessions.slice(next, next + PAGE);
    const counts = await Promise.all(
      page.map(({ id, group }) => pruneFolder(deps, sessionFolders(deps.dataDir, group, id).inFiles)),
    );
    gone += counts.reduce((sum, count) => sum + count, 0);
    await pause(BREATH_MS);
  }
  return gone;
}

async function pruneFolder({ reads, clock }: Dependencies, inFiles: string): Promise<number> {
  let gone = 0;
  for (const message of await readdir(inFiles).catch(() => [])) {
    if (!message.startsWith('m_') || reads.isMessage(message)) continue;
    const path = join(inFiles, message);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: clock.now() }));
    if (clock.now() - mtimeMs <= UNUSED_FOR_MS) continue;
    await rm(path, { recursive: true, force: true });
    gone += 1;
  }
  return gone;
}
