import type Database from 'better-sqlite3';
import { BerthError } from '../errors.ts';
import type { MailboxEffects, SessionState } from './rows.ts';

export interface AcceptArguments {
  message: string;
  channel: string;
  group: string;
  chat: string;
  thread: string | null;
  sessionKey: string;
  /** False: the session is shared by all chats of the group. */
  sessionOfChat: boolean;
  /** Thread of the session itself, where each thread has one. */
  sessionThread: string | null;
  /** Id for the session, should there be none yet. */
  newSession: string;
  dedup: string | null;
  contentHash: string;
  kind: string;
  wake: boolean;
  body: string;
  maxQueue: number;
  now: number;
}

export interface AcceptResult {
  message: string;
  session: string;
  duplicate: boolean;
  /** As it was found: a `freezing` one is awake now, a `frozen` one is to be thawed. */
  state: SessionState;
}

/**
 * The command that makes a message durable: finds or makes chat and session, gives the next `seq`, and puts the
 * row into the inbox. The same dedup key again answers with the first message and does nothing.
 *
 * @throws E_DUPLICATE_ID for the same key with other content, E_QUEUE_FULL.
 */
export function prepareAccept(
  db: Database.Database,
): (args: AcceptArguments, effects: MailboxEffects) => AcceptResult {
  const findChat = db.prepare<[string, string, string], { id: number }>(
    'SELECT id FROM chats WHERE channel = ? AND group_folder = ? AND chat = ?',
  );
  const addChat = db.prepare('INSERT INTO chats (channel, group_folder, chat) VALUES (?, ?, ?)');
  const findDedup = db.prepare<
    [number, string],
    { id: string; session: string; content_hash: string; state: SessionState }
  >(
    `SELECT i.id, i.session, i.content_hash, s.state FROM inbox i JOIN sessions s ON s.id = i.session
     WHERE i.chat_id = ? AND i.dedup = ?`,
  );
  const findSession = db.prepare<[string, string], { id: string; state: SessionState; last_seq: number }>(
    'SELECT id, state, last_seq FROM sessions WHERE group_folder = ? AND key = ?',
  );
  const addSession = db.prepare(
    'INSERT INTO sessions (id, group_folder, key, chat_id, thread, since, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const addLease = db.prepare("INSERT INTO leases (session, epoch, holder, taken_at) VALUES (?, 0, '', ?)");
  const countWaiting = db.prepare<[string], { n: number; later: number }>(
    "SELECT count(*) AS n, coalesce(max(due_at), 0) AS later FROM inbox WHERE session = ? AND status = 'waiting'",
  );
  const behindRetry = db.prepare<[string, number, number, string | null], { 1: number }>(
    "SELECT 1 FROM inbox WHERE session = ? AND status = 'waiting' AND chat_id = ? AND due_at > ? AND thread IS ? LIMIT 1",
  );
  const takeSeq = db.prepare('UPDATE sessions SET last_seq = ? WHERE id = ?');
  const takeBack = db.prepare(
    "UPDATE sessions SET state = 'awake', since = ? WHERE id = ? AND state = 'freezing'",
  );
  const addMessage = db.prepare(
    `INSERT INTO inbox (id, session, seq, chat_id, thread, dedup, content_hash, kind, wake, body, due_at, created_at)
     VALUES (@message, @session, @seq, @chatId, @thread, @dedup, @contentHash, @kind, @wake, @body, 0, @now)`,
  );

  return (args, effects) => {
    const chatId = findChat.get(args.channel, args.group, args.chat)?.id ?? insertChat(args);
    const known = args.dedup === null ? undefined : findDedup.get(chatId, args.dedup);
    if (known) {
      if (known.content_hash !== args.contentHash) {
        throw new BerthError(
          'E_DUPLICATE_ID',
          `the id "${args.dedup}" was used in this chat for another message`,
        );
      }
      return { message: known.id, session: known.session, duplicate: true, state: known.state };
    }
    const session = findSession.get(args.group, args.sessionKey) ?? insertSession(args, chatId);
    const waiting = countWaiting.get(session.id) ?? { n: 0, later: 0 };
    if (waiting.n >= args.maxQueue) {
      throw new BerthError(
        'E_QUEUE_FULL',
        `${waiting.n} messages wait in session ${session.id}, which is the limit`,
      );
    }
    const seq = session.last_seq + 1;
    takeSeq.run(seq, session.id);
    addMessage.run({ ...args, wake: args.wake ? 1 : 0, session: session.id, seq, chatId });
    const held = waiting.later > args.now && behindRetry.get(session.id, chatId, args.now, args.thread);
    if (!held) {
      if (session.state === 'freezing') takeBack.run(args.now, session.id);
      effects.put(session.id, {
        seq,
        id: args.message,
        attempt: 1,
        kind: args.kind,
        wake: args.wake ? 1 : 0,
        body: args.body,
        createdAt: args.now,
      });
    }
    return { message: args.message, session: session.id, duplicate: false, state: session.state };
  };

  function insertChat(args: AcceptArguments): number {
    return Number(addChat.run(args.channel, args.group, args.chat).lastInsertRowid);
  }

  function insertSession(args: AcceptArguments, chatId: number) {
    const chat = args.sessionOfChat ? chatId : null;
    addSession.run(
      args.newSession,
      args.group,
      args.sessionKey,
      chat,
      args.sessionThread,
      args.now,
      args.now,
    );
    addLease.run(args.newSession, args.now);
    return { id: args.newSession, state: 'asleep' as const, last_seq: 0 };
  }
}
