import type Database from 'better-sqlite3';

/*
 * What may be pruned: rows that nobody waits for any more, after a while. The tables are walked in the order in which
 * their rows were made, a page at a time. Event numbers of a chat stay without a hole: an event goes only when nothing
 * in front of it in its chat stays, and a reader who asks for one that went is told of the gap.
 */

/** The tables that grow with every message. */
export const SETTLING = ['inbox', 'outbox', 'usage'] as const;
export type SettlingTable = (typeof SETTLING)[number];

/** A row on the walk. */
export interface WalkedRow {
  /** Where it stands in its table. */
  place: number;
  /** 1: made before the limit, so that the walk goes on behind it. */
  old: number;
  /** 1: it may go. */
  settled: number;
  session: string;
  group: string | null;
  /** The folder of its files: the id of a message in `in/files`, of an event's row in `sent`. */
  files: string;
}

/** An event has come to an end; where it was not delivered, whoever wants to send it again has had time for it. */
const EVENT_OVER = (row: string) =>
  `(${row}.created_at < @before AND (${row}.status = 'sent' OR (${row}.status IN ('uncertain', 'dead', 'dropped')
     AND coalesce(${row}.resent_at, 0) < @before AND coalesce(${row}.ended_at, 0) < @before)))`;

const tables: Record<SettlingTable, { made: string; settled: string; group: string; files: string }> = {
  inbox: {
    made: 'created_at',
    settled: "t.status <> 'waiting' AND t.ended_at < @before",
    group: '(SELECT group_folder FROM sessions WHERE id = t.session)',
    files: 't.id',
  },
  outbox: {
    made: 'created_at',
    settled: `${EVENT_OVER('t')} AND NOT EXISTS (
        SELECT 1 FROM outbox u INDEXED BY outbox_unsent
        WHERE u.chat_id = t.chat_id AND u.n < t.n AND u.status <> 'sent' AND NOT (${EVENT_OVER('u')}))`,
    group: '(SELECT group_folder FROM chats WHERE id = t.chat_id)',
    files: 't.row_id',
  },
  // Its time is the container's word: one that lies in the future is no reason to keep the row for ever.
  usage: { made: 'at', settled: 't.at NOT BETWEEN @before AND @now', group: 'NULL', files: "''" },
};

/** Where the walk is, and the age that is meant: Unix milliseconds. */
interface Walk {
  after: number;
  before: number;
  now: number;
}

/** Looks for what may go. */
export function createSettledReads(db: Database.Database) {
  const pages = byTable(({ made, settled, group, files }, table) =>
    db.prepare<[Walk & { limit: number }], WalkedRow>(
      `SELECT t.rowid AS place, t.${made} NOT BETWEEN @before AND @now AS old, (${settled}) AS settled, t.session,
         ${group} AS "group", ${files} AS files
       FROM ${table} t WHERE t.rowid > @after ORDER BY t.rowid LIMIT @limit`,
    ),
  );
  return {
    /** The next rows behind `after`, at most `limit`. */
    walk: (table: SettlingTable, walk: Walk, limit: number): WalkedRow[] =>
      pages[table].all({ ...walk, limit }),
  };
}

/** The command that prunes. */
export function preparePrune(db: Database.Database) {
  const remove = byTable(({ settled }, table) =>
    db.prepare<[{ place: number; before: number; now: number }]>(
      // Read again: what was over may have been put back meanwhile, to be sent once more.
      `DELETE FROM ${table} AS t WHERE t.rowid = @place AND (${settled})`,
    ),
  );
  return {
    /** @returns how many of the rows went. */
    prune({ table, places, before, now }: PruneArguments): number {
      return places.reduce((sum, place) => sum + remove[table].run({ place, before, now }).changes, 0);
    },
  };
}

export interface PruneArguments {
  table: SettlingTable;
  places: number[];
  /** Unix milliseconds. */
  before: number;
  now: number;
}

function byTable<Made>(
  make: (table: (typeof tables)[SettlingTable], name: SettlingTable) => Made,
): Record<SettlingTable, Made> {
  return Object.fromEntries(SETTLING.map((name) => [name, make(tables[name], name)])) as Record<
    SettlingTable,
    Made
  >;
}
