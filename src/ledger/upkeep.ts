import { randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import { dropMessages } from './drop-messages.ts';
import { prepareEpochFloor } from './epoch-floor.ts';
import type { MailboxEffects, SessionState } from './rows.ts';

/** What a deleted chat had in a session that goes on without it. */
interface LeftBehind {
  session: string;
  group: string;
}

/** The commands that concern no single message. */
export function prepareUpkeep(db: Database.Database) {
  const getMeta = db.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?');
  const setMeta = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
  const slotOf = db.prepare<[string], { slot: number }>('SELECT slot FROM group_users WHERE folder = ?');
  const addSlot = db.prepare<[string], { slot: number }>(
    'INSERT INTO group_users (folder, slot) VALUES (?, (SELECT coalesce(max(slot) + 1, 0) FROM group_users)) RETURNING slot',
  );
  const deleteChat = db.prepare('DELETE FROM chats WHERE id = ?');
  const chatSessions = db.prepare<[number], { id: string; group: string }>(
    'SELECT id, group_folder AS "group" FROM sessions WHERE chat_id = ?',
  );
  const sharedMessages = db.prepare<
    [number],
    LeftBehind & { message: string; status: string; state: SessionState }
  >(
    `SELECT i.session, i.id AS message, i.status, s.state, s.group_folder AS "group"
     FROM inbox i JOIN sessions s ON s.id = i.session WHERE i.chat_id = ? AND s.chat_id IS NULL ORDER BY i.seq`,
  );
  const sentFiles = db.prepare<[number], LeftBehind & { row: string }>(
    `SELECT o.session, o.row_id AS row, s.group_folder AS "group" FROM outbox o JOIN sessions s ON s.id = o.session
     WHERE o.chat_id = ? AND s.chat_id IS NOT o.chat_id AND json_array_length(o.body, '$.files') > 0`,
  );
  const deleteOutbox = db.prepare('DELETE FROM outbox WHERE chat_id = ?');
  const deleteInbox = db.prepare('DELETE FROM inbox WHERE chat_id = ?');
  const deleteUsage = db.prepare('DELETE FROM usage WHERE session = ?');
  const deleteSession = db.prepare('DELETE FROM sessions WHERE id = ?');
  const epochFloor = prepareEpochFloor(db);

  return {
    /** The random id under which this data folder's containers are known; made at the first call. */
    installId(): string {
      const known = getMeta.get('install')?.value;
      if (known) return known;
      const id = randomBytes(6).toString('hex');
      setMeta.run('install', id);
      return id;
    },

    /** The group's number for its uid: given at the first call, never to another group. */
    groupSlot: (folder: string): number => (slotOf.get(folder) ?? addSlot.get(folder))?.slot ?? 0,

    /**
     * Removes a chat with its messages, events and the sessions that are its own. In the others nothing of it is worked on any more.
     * @returns those sessions, and of the others the chat's messages and the rows that sent it files.
     */
    deleteChat(
      chatId: number,
      effects: MailboxEffects,
    ): {
      sessions: { id: string; group: string }[];
      messages: (LeftBehind & { message: string })[];
      sent: (LeftBehind & { row: string })[];
    } {
      const sessions = chatSessions.all(chatId);
      const messages = sharedMessages.all(chatId);
      const sent = sentFiles.all(chatId);
      const waiting = messages.filter(({ status }) => status === 'waiting');
      for (const [id, own] of Map.groupBy(waiting, ({ session }) => session)) {
        const state = own[0]?.state ?? 'asleep';
        const ids = own.map(({ message }) => message);
        dropMessages(effects, { id, state }, ids, 'Its chat was deleted.');
      }
      deleteOutbox.run(chatId);
      deleteInbox.run(chatId);
      epochFloor.raise(chatId);
      for (const { id } of sessions) {
        deleteUsage.run(id);
        deleteSession.run(id);
      }
      deleteChat.run(chatId);
      return { sessions, messages, sent };
    },
  };
}
