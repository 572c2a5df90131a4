import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import type { RunnerEnvironment } from '../../contract/environment.ts';
import { newId } from '../../contract/ids.ts';
import { openMailboxFile } from '../../contract/open-mailbox-file.ts';

/** How long a write waits for the host, which only ever reads for moments. */
const BUSY_TIMEOUT_MS = 10_000;

export interface OpenedOutbound {
  db: Database.Database;
  /** Cursors of the host hold for one file only. */
  fileId: string;
}

/** The runner cannot work here, and starting it again would not help. */
export class WrongPlaceError extends Error {
  override readonly name = 'WrongPlaceError';
}

/**
 * Opens `outbound.db` for this start: what is missing is made, what a crash left is rolled back, our epoch is written,
 * and every `processing` claim is dropped, so that its message is taken up again. A file that is no database any more
 * is put aside and a new one begun: what was in it is lost either way, and the messages without a reply are answered anew.
 *
 * @throws WrongPlaceError when the file belongs to another session or to a later container.
 */
export function openOutbound(environment: RunnerEnvironment, log: (line: string) => void): OpenedOutbound {
  const path = join(environment.outDir, 'outbound.db');
  try {
    return open(path, environment);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    log(
      `outbound.db is damaged (${(error as Error).message}): put aside as outbound.db.damaged, a new one begun`,
    );
    putAside(path);
    return open(path, environment);
  }
}

function open(path: string, environment: RunnerEnvironment): OpenedOutbound {
  const db = openMailboxFile(path, 'outbound', BUSY_TIMEOUT_MS);
  try {
    const fileId = db.transaction(() => begin(db, environment)).immediate();
    return { db, fileId };
  } catch (error) {
    db.close();
    throw error;
  }
}

function begin(db: Database.Database, { session, epoch }: RunnerEnvironment): string {
  const row = db.prepare<[], { file: string; session: string; epoch: number }>(
    'SELECT file_id AS file, session, epoch FROM runner',
  );
  const before = row.get();
  if (before && before.session !== session) {
    throw new WrongPlaceError(
      `outbound.db was made for session ${before.session}, and this is session ${session}`,
    );
  }
  if (before && before.epoch > epoch) {
    throw new WrongPlaceError(
      `outbound.db was written by epoch ${before.epoch}, and this is epoch ${epoch}: a later container works here`,
    );
  }
  const file = before?.file ?? newId('f');
  db.prepare(
    `INSERT INTO runner (only_row, file_id, session, epoch, activity_at) VALUES (1, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET epoch = excluded.epoch, control_seq = 0, parked = 0, tool = NULL, tool_until = NULL,
                               activity_at = excluded.activity_at`,
  ).run(file, session, epoch, Date.now());
  db.prepare(`DELETE FROM claims WHERE status = 'processing'`).run();
  return file;
}

function isDamaged(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^SQLITE_(NOTADB|CORRUPT)/.test(code);
}

/** The journal goes first: left behind, it would be rolled back into the new file. */
function putAside(path: string): void {
  for (const suffix of ['-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  renameSync(path, `${path}.damaged`);
}
