import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { chats, sessions } from './schema.ts';

/** What is to be said to a session at a certain time, by itself. A row that has no further time is gone. */
export const schedules = sqliteTable(
  'schedules',
  {
    id: text().primaryKey(),
    session: text()
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    /** Where the answer goes. */
    chatId: integer('chat_id')
      .notNull()
      .references(() => chats.id, { onDelete: 'cascade' }),
    thread: text(),
    text: text().notNull(),
    /** Minute, hour, day, month, weekday; `null`: once. */
    cron: text(),
    timezone: text().notNull(),
    /** What follows when the host was not there at the time: one task then, or none. */
    missed: text({ enum: ['once', 'skip'] }).notNull(),
    dueAt: integer('due_at').notNull(),
    lastAt: integer('last_at'),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [index('schedules_due').on(table.dueAt), index('schedules_session').on(table.session)],
);
