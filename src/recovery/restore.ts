import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { openMailboxFile } from '../../contract/open-mailbox-file.ts';
import { BerthError } from '../errors.ts';
import { checkLedger } from '../ledger/check-ledger.ts';
import { lockDataFolder } from '../ledger/data-lock.ts';
import { raiseEpochFloor } from '../ledger/epoch-floor.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import { type BackupPlaces, MARKER } from './back-up.ts';
import { type CopyCount, copyTree } from './copy-tree.ts';

const marker = z.object({ berthBackup: z.literal(1), at: z.iso.datetime(), sessions: z.int() });
const memoryForm = z.array(z.tuple([z.string(), z.string()]));

/** So far at least do the numbers go on that are known outside of the ledger; more, the older the backup is. */
const NUMBERS_ON = 1_000_000;
const CHECK_LIMIT_MS = 3_600_000;

/**
 * Makes a data folder, and the groups beside it, of a backup. The ledger comes last: a host does not start on half of it.
 * @returns when the backup was made, and what was copied.
 * @throws E_RESTORE when it is no complete backup, or something is in the way; E_DATA_LOCKED, E_DATA_DIR, E_LEDGER_DAMAGED.
 */
export async function restore(places: BackupPlaces): Promise<{ at: string; sessions: number } & CopyCount> {
  const { dataDir, groupsDir, folder } = places;
  const made = readMarker(folder);
  const release = lockDataFolder(dataDir);
  try {
    refuseWhatIsThere(places);
    await checkLedger(join(folder, 'host.db'), CHECK_LIMIT_MS, () => undefined);
    const count: CopyCount = { files: 0, bytes: 0, skipped: [] };
    copyTree(join(folder, 'groups'), groupsDir, count);
    copyTree(join(folder, 'sessions'), join(dataDir, 'sessions'), count);
    const part = join(dataDir, 'host.db.part');
    copyFileSync(join(folder, 'host.db'), part);
    chmodSync(part, 0o600);
    const ledger = new Database(part);
    try {
      ledger.pragma('synchronous = FULL');
      raiseNumbers(ledger, Date.parse(made.at));
      const all = ledger.prepare<[], { id: string; group: string }>(
        'SELECT id, group_folder AS "group" FROM sessions',
      );
      for (const { id, group } of all.all()) remember(dataDir, group, id);
    } finally {
      ledger.close();
    }
    renameSync(part, join(dataDir, 'host.db'));
    return { at: made.at, sessions: made.sessions, ...count };
  } finally {
    await release();
  }
}

function readMarker(folder: string): z.output<typeof marker> {
  try {
    return marker.parse(JSON.parse(readFileSync(join(folder, MARKER), 'utf8')));
  } catch (error) {
    throw new BerthError('E_RESTORE', `${folder} is no complete backup: it has no valid ${MARKER}`, error);
  }
}

function refuseWhatIsThere({ dataDir, groupsDir, folder }: BackupPlaces): void {
  const entries = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  if (existsSync(join(dataDir, 'host.db')) || entries(join(dataDir, 'sessions')).length > 0)
    throw new BerthError('E_RESTORE', `the data folder ${dataDir} already has a ledger or sessions`);
  const there = new Set(entries(groupsDir));
  const both = entries(join(folder, 'groups')).filter((name) => there.has(name));
  if (both.length > 0)
    throw new BerthError('E_RESTORE', `the groups folder ${groupsDir} already has ${both.join(', ')}`);
}

/**
 * No number is given a second time that was given after the backup: epochs, which containers have; keys of events, by which a
 * platform would take a new reply for one that it knows; numbers within a chat, up to which a reader has read. Raised by
 * the milliseconds since then as well, so that the same backup can be restored again.
 */
function raiseNumbers(ledger: Database.Database, madeAt: number): void {
  const on = NUMBERS_ON + Math.max(0, Date.now() - madeAt);
  ledger.transaction(() => {
    ledger.prepare('UPDATE leases SET epoch = epoch + ?').run(on);
    raiseEpochFloor(ledger, on);
    ledger.prepare('UPDATE chats SET last_event = last_event + ?').run(on);
    const raised = ledger.prepare("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'outbox'").run(on);
    // No event was ever made.
    if (raised.changes === 0)
      ledger.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)").run(on);
  })();
}

/** What a runner had noted for itself goes into an `outbound.db` that nobody has written to yet. */
function remember(dataDir: string, group: string, session: string): void {
  const { root, out, outbound, home } = sessionFolders(dataDir, group, session);
  const noted = join(root, 'memory.json');
  if (!existsSync(noted)) return;
  const memory = memoryForm.parse(JSON.parse(readFileSync(noted, 'utf8')));
  mkdirSync(out, { recursive: true, mode: 0o755 });
  const db = openMailboxFile(outbound, 'outbound', 0);
  try {
    const insert = db.prepare('INSERT OR REPLACE INTO memory (key, value) VALUES (?, ?)');
    db.transaction(() => {
      for (const row of memory) insert.run(...row);
    }).immediate();
  } finally {
    db.close();
  }
  rmSync(noted);
  if (process.getuid?.() !== 0 || !existsSync(home)) return;
  const { uid, gid } = lstatSync(home);
  for (const name of readdirSync(out)) chownSync(join(out, name), uid, gid);
}
