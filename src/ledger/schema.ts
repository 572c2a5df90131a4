import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

/**
 * The ledger, `host.db`: the truth about who said what and what became of it. A session's `inbound.db` is a
 * projection of it; `outbound.db` is tailed into it. Times are Unix milliseconds, bodies JSON text.
 *
 * `migrations/host/` is generated from this file by `npx drizzle-kit generate`.
 */

/** Facts about this installation: `install` (a random id that its containers bear). */
export const meta = sqliteTable('meta', {
  key: text().primaryKey(),
  value: text().notNull(),
});

/** One unprivileged uid per group folder, given once and never reused. */
export const groupUsers = sqliteTable('group_users', {
  folder: text().primaryKey(),
  slot: integer().notNull().unique(),
});

/** Where people talk; `last_event` numbers what appeared there, without gaps but where a backup was restored. */
export const chats = sqliteTable(
  'chats',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    channel: text().notNull(),
    group: text('group_folder').notNull(),
    chat: text().notNull(),
    lastEvent: integer('last_event').notNull().default(0),
  },
  (table) => [uniqueIndex('chats_address').on(table.channel, table.group, table.chat)],
);

export const SESSION_STATES = [
  'asleep',
  'waking',
  'awake',
  'freezing',
  'frozen',
  'stopping',
  'failed',
] as const;

/** A conversation and its container; what the states mean stands in `session-state.ts`. */
export const sessions = sqliteTable(
  'sessions',
  {
    id: text().primaryKey(),
    group: text('group_folder').notNull(),
    /** What makes the session one: chat, chat and thread, or nothing (`session:` of the group). */
    key: text().notNull(),
    /** `null` for a session that all chats of its group share. */
    chatId: integer('chat_id').references(() => chats.id),
    thread: text(),
    state: text({ enum: SESSION_STATES }).notNull().default('asleep'),
    since: integer().notNull(),
    lastSeq: integer('last_seq').notNull().default(0),
    cursorFile: text('cursor_file'),
    cursorSeq: integer('cursor_seq').notNull().default(0),
    cursorUsage: integer('cursor_usage').notNull().default(0),
    /** Raised by `/new`: what the agent remembers of an earlier one is not taken up again. */
    conversation: integer().notNull().default(0),
    cursorEpoch: integer('cursor_epoch').notNull().default(0),
    /** Wakes that failed one after the other. */
    failures: integer().notNull().default(0),
    errorCode: text('error_code'),
    errorReason: text('error_reason'),
    errorAt: integer('error_at'),
    retryAt: integer('retry_at'),
    /** JSON: when its containers died or hung, Unix milliseconds; forgotten after a quiet while. */
    troubles: text().notNull().default('[]'),
    /** Since when there was no trouble: its last one, or the end of the pause after it had failed. */
    quietSince: integer('quiet_since'),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('sessions_key').on(table.group, table.key),
    index('sessions_not_asleep').on(table.state).where(sql`state <> 'asleep'`),
    index('sessions_chat').on(table.chatId),
  ],
);

/** Who may run a session: every container start takes a new epoch, above every earlier one. */
export const leases = sqliteTable('leases', {
  session: text()
    .primaryKey()
    .references(() => sessions.id, { onDelete: 'cascade' }),
  epoch: integer().notNull(),
  holder: text().notNull(),
  takenAt: integer('taken_at').notNull(),
});

/** What people said. A row ends as `answered` or `failed`; until then it waits. */
export const inbox = sqliteTable(
  'inbox',
  {
    id: text().primaryKey(),
    session: text()
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    seq: integer().notNull(),
    chatId: integer('chat_id')
      .notNull()
      .references(() => chats.id, { onDelete: 'cascade' }),
    thread: text(),
    /** The channel's dedup key, and a hash of the content that came with it. */
    dedup: text(),
    contentHash: text('content_hash').notNull(),
    kind: text().notNull(),
    wake: integer().notNull().default(1),
    body: text().notNull(),
    /** `stopped`: by `/stop` or `/new`; what its agent still says of it is not taken. */
    status: text({ enum: ['waiting', 'answered', 'failed', 'stopped'] })
      .notNull()
      .default('waiting'),
    attempt: integer().notNull().default(1),
    /** 1: a reply that lists this message (or a silent one) is in the ledger. */
    replied: integer().notNull().default(0),
    dueAt: integer('due_at').notNull(), // of a retry; 0 for a new message, which no clock may keep waiting
    /** When the sender was told that it does not work now; the message goes on waiting. */
    toldAt: integer('told_at'),
    createdAt: integer('created_at').notNull(),
    endedAt: integer('ended_at'),
  },
  (table) => [
    uniqueIndex('inbox_order').on(table.session, table.seq),
    uniqueIndex('inbox_dedup').on(table.chatId, table.dedup).where(sql`dedup IS NOT NULL`),
    index('inbox_waiting').on(table.session, table.seq).where(sql`status = 'waiting'`),
  ],
);

/** What becomes of an event; the essay stands in `outbox-states.ts`. */
export const OUTBOX_STATES = ['pending', 'sending', 'sent', 'retry', 'uncertain', 'dead', 'dropped'] as const;

/** What appears in chats: replies and told failures. `(session, row_id)` is what makes a reply one. */
export const outbox = sqliteTable(
  'outbox',
  {
    n: integer().primaryKey({ autoIncrement: true }),
    session: text().notNull(),
    rowId: text('row_id').notNull(),
    chatId: integer('chat_id')
      .notNull()
      .references(() => chats.id, { onDelete: 'cascade' }),
    event: integer().notNull(),
    type: text({ enum: ['message', 'failure'] }).notNull(),
    inReplyTo: text('in_reply_to'),
    thread: text(),
    body: text().notNull(),
    code: text(),
    reason: text(),
    status: text({ enum: OUTBOX_STATES }).notNull().default('pending'),
    /** Sends that failed since it was put to `pending`. */
    attempts: integer().notNull().default(0),
    /** Of `retry`: when it is sent again. */
    dueAt: integer('due_at'),
    /** Of the last send that failed: its class, and what happened in words for people. */
    errorClass: text('error_class'),
    error: text(),
    createdAt: integer('created_at').notNull(),
    /** When the operator had it sent again: its age counts from then on. */
    resentAt: integer('resent_at'),
    sentAt: integer('sent_at'),
    /** When it became `uncertain`, `dead` or `dropped`. */
    endedAt: integer('ended_at'),
    /** What the platform calls what was sent. */
    platformId: text('platform_id'),
  },
  (table) => [
    uniqueIndex('outbox_row').on(table.session, table.rowId),
    uniqueIndex('outbox_event').on(table.chatId, table.event),
    index('outbox_unsent').on(table.chatId, table.n).where(sql`status <> 'sent'`),
    index('outbox_session').on(table.session, table.n),
  ],
);

/** Rows of containers that the host did not take: what they were told, for a mailbox that is rebuilt. */
export const refusals = sqliteTable(
  'refusals',
  {
    n: integer().primaryKey({ autoIncrement: true }),
    session: text()
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    rowId: text('row_id').notNull(),
    reason: text(),
    at: integer().notNull(),
  },
  (table) => [index('refusals_session').on(table.session, table.n)],
);

/** What the providers said they used. */
export const usage = sqliteTable(
  'usage',
  {
    session: text().notNull(),
    file: text().notNull(),
    seq: integer().notNull(),
    messageId: text('message_id'),
    model: text(),
    inputTokens: integer('input_tokens'),
    outputTokens: integer('output_tokens'),
    cacheReadTokens: integer('cache_read_tokens'),
    cacheWriteTokens: integer('cache_write_tokens'),
    costUsd: real('cost_usd'),
    durationMs: integer('duration_ms'),
    at: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.session, table.file, table.seq] })],
);

/** Outcomes of builds of groups' images: of each hash those that were proven good, and its last failure. */
export const builds = sqliteTable(
  'builds',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    /** Of base image, declaration and recipe: groups with the same packages share it. */
    hash: text().notNull(),
    /** The engine's id of the base image. */
    base: text().notNull(),
    /** Version of the session contract that the image speaks. */
    contract: integer().notNull(),
    /** JSON: the declaration, normalised. */
    declaration: text().notNull(),
    /** The engine's id of the image; `null`: the build failed. */
    image: text(),
    size: integer(),
    /** JSON: what is inside, in which version. */
    packages: text(),
    code: text(),
    reason: text(),
    startedAt: integer('started_at').notNull(),
    endedAt: integer('ended_at').notNull(),
  },
  (table) => [index('builds_hash').on(table.hash)],
);

/** The image that a group's containers start from. A group without a row starts from the base image. */
export const groupImages = sqliteTable('group_images', {
  folder: text().primaryKey(),
  /** `null`: the base image. */
  build: integer().references(() => builds.id),
  /** The one before, for a rollback. */
  previous: integer().references(() => builds.id),
  /** The declaration that the operator went back from: it is not built again by itself. */
  held: text(),
  since: integer().notNull(),
});
