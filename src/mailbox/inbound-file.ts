import { mkdirSync, utimesSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ControlVerb, Destination, InboundRow, Receipt, SessionBody } from '../../contract/bodies.ts';
import { openMailboxFile } from '../../contract/open-mailbox-file.ts';
import { prepareOnce } from './prepare-once.ts';

interface NumberedControl {
  seq: number;
  epoch: number;
  verb: ControlVerb;
  body: object;
}

/** What is to be written into an `inbound.db` at the next opportunity, in one transaction. */
export interface InboundChanges {
  messages: InboundRow[];
  removals: string[];
  receipts: Receipt[];
  controls: NumberedControl[];
  settled: { file: string | null; seq: number; usage: number } | null;
  session: SessionBody | null;
  /** All of them, in place of those that stand there. */
  destinations: Destination[] | null;
}

export function noChanges(): InboundChanges {
  return {
    messages: [],
    removals: [],
    receipts: [],
    controls: [],
    settled: null,
    session: null,
    destinations: null,
  };
}

const KEPT_RECEIPTS = 1000;
/** To find the oldest that is kept, all of them are counted: not at every message. */
const PRUNE_RECEIPTS = 50;
/** A runner reads all of them at each look until it has obeyed; the newest has to stay, because it bears the last number. */
const KEPT_CONTROLS = 20;

/**
 * The host's half of a session: its `inbound.db`, opened for writing by the one writer thread. Waits on no lock: a
 * write that meets a reader throws SQLITE_BUSY, changes nothing, and is tried again by the caller.
 */
export function openInboundFile(path: string) {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const db = openMailboxFile(path, 'inbound', 0);
  /** Most of them are not wanted for most files, and all take longer to prepare than a file to open. */
  const later =
    <Parameters extends unknown[] = unknown[], Row = unknown>(sql: string) =>
    () =>
      prepareOnce<Parameters, Row>(db, sql);
  const insert = later(
    `INSERT INTO messages (seq, id, attempt, kind, wake, body, created_at)
     VALUES (@seq, @id, @attempt, @kind, @wake, @body, @createdAt)
     ON CONFLICT (id) DO UPDATE SET attempt = excluded.attempt`,
  );
  const remove = later('DELETE FROM messages WHERE id = ?');
  const receipt = later(
    `INSERT OR REPLACE INTO receipts (out_id, status, detail, platform_id, at)
     VALUES (@outId, @status, @detail, @platformId, @at)`,
  );
  const pruneReceipts = later(
    `DELETE FROM receipts WHERE rowid <= (SELECT rowid FROM receipts ORDER BY rowid DESC LIMIT 1 OFFSET ${KEPT_RECEIPTS})`,
  );
  const control = later('INSERT INTO controls (seq, epoch, verb, body) VALUES (?, ?, ?, ?)');
  const pruneControls = later(
    `DELETE FROM controls WHERE seq <= (SELECT max(seq) FROM controls) - ${KEPT_CONTROLS}`,
  );
  const lastControl = later<[], { seq: number | null }>('SELECT max(seq) AS seq FROM controls');
  const settle = later(
    'UPDATE session SET settled_file = ?, settled_seq = ?, settled_usage = ? WHERE only_row = 1',
  );
  const describe = later(
    'INSERT INTO session (only_row, body) VALUES (1, ?) ON CONFLICT (only_row) DO UPDATE SET body = excluded.body',
  );
  const body = later<[], { body: string }>('SELECT body FROM session');
  const clearDestinations = later('DELETE FROM destinations');
  const addDestination = later(
    'INSERT INTO destinations (name, kind, title, is_default) VALUES (?, ?, ?, ?)',
  );
  const destinations = later<[], Omit<Destination, 'isDefault'> & { isDefault: number }>(
    'SELECT name, kind, title, is_default AS isDefault FROM destinations ORDER BY rowid',
  );
  const present = later<[], { id: string; attempt: number }>('SELECT id, attempt FROM messages');
  const receipts = later<[], Pick<Receipt, 'outId' | 'status'>>(
    'SELECT out_id AS outId, status FROM receipts',
  );

  /** Receipts since the last pruning. */
  let unpruned = PRUNE_RECEIPTS;

  return {
    /** Writes all or nothing. @throws SQLITE_BUSY (`code`) while a reader holds the file. */
    write(changes: InboundChanges): void {
      const given = unpruned + changes.receipts.length;
      // EXCLUSIVE from the start: a reader in the way is met before anything was synced to the disk for nothing.
      db.transaction(() => {
        if (changes.session) describe().run(JSON.stringify(changes.session));
        for (const id of changes.removals) remove().run(id);
        for (const row of changes.messages) insert().run(row);
        for (const row of changes.receipts) receipt().run(row);
        if (given > PRUNE_RECEIPTS) pruneReceipts().run();
        for (const { seq, epoch, verb, body } of changes.controls)
          control().run(seq, epoch, verb, JSON.stringify(body));
        if (changes.controls.length > 0) pruneControls().run();
        if (changes.destinations) {
          clearDestinations().run();
          for (const { name, kind, title, isDefault } of changes.destinations)
            addDestination().run(name, kind, title, isDefault ? 1 : 0);
        }
        if (changes.settled) settle().run(changes.settled.file, changes.settled.seq, changes.settled.usage);
      }).exclusive();
      unpruned = given > PRUNE_RECEIPTS ? 0 : given;
      touch(path);
    },
    /** What the file says of the session, JSON text. */
    body: (): string | undefined => body().get()?.body,
    /** Where the session was told that it may send. */
    destinations: (): Destination[] =>
      destinations()
        .all()
        .map((row) => ({ ...row, isDefault: row.isDefault !== 0 })),
    /** The messages that stand in the file, with their attempts. */
    present: (): { id: string; attempt: number }[] => present().all(),
    /** What the agent was told. */
    receipts: (): Pick<Receipt, 'outId' | 'status'>[] => receipts().all(),
    lastControl: (): number => lastControl().get()?.seq ?? 0,
    clearControls: (): void => void db.exec('DELETE FROM controls'),
    close: (): void => void db.close(),
  };
}

/** Who watches the file alone is told that the commit has ended and its lock is gone; otherwise a runner finds out by timer. */
function touch(path: string): void {
  try {
    const now = Date.now() / 1000;
    utimesSync(path, now, now);
  } catch {
    // What was written stands.
  }
}

export type InboundFile = ReturnType<typeof openInboundFile>;
