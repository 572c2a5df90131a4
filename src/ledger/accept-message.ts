import type Database from 'better-sqlite3';
import { BerthError } from '../errors.ts';
import { prepareDestinations } from './destinations.ts';
import { prepareEnqueue } from './enqueue.ts';
import { prepareEpochFloor } from './epoch-floor.ts';
import type { MailboxEffects, OutboxRow, SessionState } from './rows.ts';
import { type CommandOrder, prepareSlashCommands } from './slash-commands.ts';

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
  /** It is a person's command to the host, and no message for the agent. */
  command?: CommandOrder | undefined;
  /** Names of the channels that take no key. */
  keyless?: readonly string[] | undefined;
  now: number;
}

export interface AcceptResult {
  message: string;
  session: string;
  duplicate: boolean;
  /** As it was found: a `freezing` one is awake now, a `frozen` one is to be thawed. */
  state: SessionState;
  /** Of a command: what appears in the chat at once, and which messages it ended. */
  events: OutboxRow[];
  stopped: string[];
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
  const carryOut = prepareSlashCommands(db);
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
  const findSession = db.prepare<[string, string], { id: string; state: SessionState }>(
    'SELECT id, state FROM sessions WHERE group_folder = ? AND key = ?',
  );
  const addSession = db.prepare(
    'INSERT INTO sessions (id, group_folder, key, chat_id, thread, since, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const addLease = db.prepare("INSERT INTO leases (session, epoch, holder, taken_at) VALUES (?, ?, '', ?)");
  const countWaiting = db.prepare<[string], { n: number }>(
    "SELECT count(*) AS n FROM inbox WHERE session = ? AND status = 'waiting' AND kind <> 'system'",
  );
  const enqueue = prepareEnqueue(db);
  const destinations = prepareDestinations(db);
  const epochFloor = prepareEpochFloor(db);
  return (args, effects) => {
    const chat = findChat.get(args.channel, args.group, args.chat)?.id;
    const chatId = chat ?? insertChat(args);
    const known = args.dedup === null ? undefined : findDedup.get(chatId, args.dedup);
    if (known) {
      if (known.content_hash !== args.contentHash) {
        throw new BerthError(
          'E_DUPLICATE_ID',
          `the id "${args.dedup}" was used in this chat for another message`,
        );
      }
      const { id: message, session, state } = known;
      return { message, session, duplicate: true, state, events: [], stopped: [] };
    }
    const session = findSession.get(args.group, args.sessionKey) ?? insertSession(args, chatId);
    if (chat === undefined && !args.sessionOfChat)
      effects.destinations(session.id, destinations.ofSession(session.id));
    const { n: waiting } = countWaiting.get(session.id) ?? { n: 0 };
    if (waiting >= args.maxQueue && !args.command) {
      throw new BerthError(
        'E_QUEUE_FULL',
        `${waiting} messages wait in session ${session.id}, which is the limit`,
      );
    }
    const accepted = { message: args.message, session: session.id, duplicate: false, state: session.state };
    enqueue(session.id, { ...args, chatId, forAgent: !args.command }, effects);
    if (!args.command) return { ...accepted, events: [], stopped: [] };
    const { message, thread, now, keyless, command } = args;
    const place = { session: session.id, state: session.state, chatId, thread, message, now, keyless };
    return { ...accepted, ...carryOut(place, command, effects) };
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
    addLease.run(args.newSession, epochFloor.get(), args.now);
    return { id: args.newSession, state: 'asleep' as const };
  }
}
