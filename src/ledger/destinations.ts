import type Database from 'better-sqlite3';
import { type Destination, MOST_DESTINATIONS } from '../../contract/bodies.ts';

interface Place {
  id: number;
  channel: string;
  chat: string;
}

/**
 * Where a session may send: its own chat; the session that all chats of a group share, to each of them. A destination is
 * called by its channel and its chat, `http:alice`.
 */
export function prepareDestinations(db: Database.Database) {
  const session = db.prepare<[string], { chatId: number | null; group: string }>(
    'SELECT chat_id AS chatId, group_folder AS "group" FROM sessions WHERE id = ?',
  );
  const own = db.prepare<[number], Place>('SELECT id, channel, chat FROM chats WHERE id = ?');
  const ofGroup = db.prepare<[string], Place>(
    `SELECT id, channel, chat FROM chats WHERE group_folder = ? ORDER BY id DESC LIMIT ${MOST_DESTINATIONS}`,
  );
  const named = db.prepare<[string, string, string], Place>(
    'SELECT id, channel, chat FROM chats WHERE channel = ? AND group_folder = ? AND chat = ?',
  );

  return {
    /** As they stand in the session's `inbound.db`. */
    ofSession(id: string): Destination[] {
      const { chatId = null, group = '' } = session.get(id) ?? {};
      const places = chatId === null ? ofGroup.all(group) : own.all(chatId);
      return places.map(({ channel, chat }) => ({
        name: `${channel}:${chat}`,
        kind: 'chat',
        title: chat,
        isDefault: chatId !== null,
      }));
    },

    /** The chat of that name; `undefined` where there is none, or the session may not send to it. */
    find(id: string, name: string): number | undefined {
      const colon = name.indexOf(':');
      const { chatId = null, group = '' } = session.get(id) ?? {};
      const found = named.get(name.slice(0, Math.max(0, colon)), group, name.slice(colon + 1))?.id;
      return chatId === null || found === chatId ? found : undefined;
    },
  };
}
