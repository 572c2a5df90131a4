import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Requests of agents that the credentials gateway holds until a person has decided, and what became of them. */
export const approvals = sqliteTable(
  'approvals',
  {
    /** The gateway's own id. */
    id: text().primaryKey(),
    /** `null`: an agent that is no group of this install. */
    group: text('group_folder'),
    agent: text().notNull(),
    method: text().notNull(),
    url: text().notNull(),
    /** The beginning of the request's body, as the agent sent it. */
    preview: text(),
    /** `waiting` past `expires_at` counts as `expired`. */
    status: text({ enum: ['waiting', 'approved', 'denied', 'expired'] })
      .notNull()
      .default('waiting'),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
    decidedAt: integer('decided_at'),
  },
  (table) => [index('approvals_expiry').on(table.expiresAt)],
);
