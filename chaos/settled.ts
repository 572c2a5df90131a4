import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Room } from './room.ts';
import { pause, until } from './until.ts';

/** How long after the last fault everything may take to be answered and told, in milliseconds. */
const LIMIT_MS = 120_000;
/** In which whoever reads over HTTP has read the last event as well. */
const LAST_READ_MS = 1000;

/** Waits until nothing is under way any more. What is so after the limit as well is found by the checks. */
export async function settled({ failpoints, http, platform, host, dataDir }: Room): Promise<void> {
  failpoints.clear();
  await host.ready();
  const isOver = () => platform.unaccepted() === 0 && http.unaccepted() === 0 && isQuiet(dataDir);
  await until('everything to be over', LIMIT_MS, isOver).catch(() => undefined);
  await pause(LAST_READ_MS);
}

function isQuiet(dataDir: string): boolean {
  const db = new Database(join(dataDir, 'host.db'), { readonly: true });
  try {
    const { open } = db
      .prepare(
        `SELECT (SELECT count(*) FROM inbox WHERE status = 'waiting')
              + (SELECT count(*) FROM outbox WHERE status IN ('pending', 'sending', 'retry')) AS open`,
      )
      .get() as { open: number };
    return open === 0;
  } finally {
    db.close();
  }
}
