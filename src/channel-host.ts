import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AwakeSession, AwakeSessions } from './awake/awake-session.ts';
import type {
  Accepted,
  ChatAddress,
  ChatDraft,
  ChatEvent,
  Host,
  IncomingMessage,
  SessionView,
} from './channels/channel.ts';
import { toChatEvent } from './delivery/chat-event.ts';
import type { Engine } from './engines/engine.ts';
import { asBerthError, BerthError } from './errors.ts';
import { checkName } from './inbound/check-names.ts';
import type { Uploads } from './inbound/uploads.ts';
import type { LedgerReads, SessionRow } from './ledger/ledger-reads.ts';
import type { Logger } from './log.ts';
import { putBack, setAside } from './mailbox/deleted-folders.ts';
import { safeName } from './mailbox/keep-sent-file.ts';
import { sessionFolders } from './mailbox/session-folders.ts';
import { crashFolder } from './recovery/crash-report.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies {
  reads: LedgerReads;
  writer: Writer;
  engine: Engine;
  awake: AwakeSessions;
  log: Logger;
  uploads: Uploads;
  dataDir: string;
  containerOf(session: string): string;
  accept(message: IncomingMessage): Promise<Accepted>;
  subscribe(address: ChatAddress, listener: (event: ChatEvent) => void): () => void;
  followDrafts(address: ChatAddress, listener: (draft: ChatDraft) => void): () => void;
  /** The session's place in the line for a container; `null`: it does not wait for one. */
  placeOf(session: string): number | null;
  /** Resolves when no wake of the session is under way. */
  settled(session: string): Promise<void>;
  /** Why the group has no image of what it declares. */
  imageProblem(folder: string): SessionView['imageProblem'];
  /** Why the group works without credentials. */
  credentialsProblem(folder: string): SessionView['credentialsProblem'];
  /** Ends the session's container, whatever it does. */
  stopNow(session: AwakeSession): Promise<void>;
  /** What waits in the session is to be looked at. */
  revisit(session: string): void;
  /** The ledger has nothing more to send there. */
  forgetChat(address: ChatAddress): void;
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  checkGroup(folder: string): void;
}

/** What channels can ask of the host, over the ledger and the stages. */
export function createChannelHost(deps: Dependencies): Host & { stopAccepting(): void } {
  let accepting = true;
  const deleting = new Map<string, Promise<boolean>>();

  return {
    stopAccepting() {
      accepting = false;
    },

    async accept(message) {
      if (!accepting) throw new BerthError('E_STOPPING', 'the host is shutting down');
      // A new session would have the old one's id and folder: it begins when they are gone.
      await deleting.get(keyOf(message))?.catch(() => undefined);
      return deps.accept(message);
    },

    async upload(address, name, content) {
      if (!accepting) throw new BerthError('E_STOPPING', 'the host is shutting down');
      deps.checkGroup(address.group);
      checkName('chat', address.chat);
      checkName('name', name);
      return deps.uploads.store(address, content);
    },

    events(address, after, limit) {
      const chat = chatOf(address);
      if (!chat) return { events: [], first: 0, last: 0 };
      const events = deps.reads.events(chat.id, after, limit).map(toChatEvent);
      return { events, first: deps.reads.firstEvent(chat.id), last: chat.last };
    },

    subscribe(address, listener) {
      chatOf(address);
      return deps.subscribe(address, listener);
    },

    drafts(address, listener) {
      chatOf(address);
      return deps.followDrafts(address, listener);
    },

    file(address, message, name) {
      const chat = chatOf(address);
      const key = /^r([1-9]\d{0,15})$/.exec(message)?.[1];
      const row = key === undefined ? undefined : deps.reads.event(Number(key));
      const known = row?.body.files.find((file) => file.name === name);
      if (
        !chat ||
        !row ||
        !known ||
        row.chat !== address.chat ||
        row.channel !== address.channel ||
        row.group !== address.group
      ) {
        throw new BerthError('E_NOT_FOUND', `there is no file "${safeName(name)}" in that message`);
      }
      const { sent } = sessionFolders(deps.dataDir, row.group, row.session);
      const path = join(sent, row.body.rowId, known.name);
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found) throw new BerthError('E_NOT_FOUND', 'the file is no longer kept');
      return { path, bytes: found.size };
    },

    deleteChat(address) {
      const key = keyOf(address);
      const mine = (deleting.get(key) ?? Promise.resolve(false)).then(() => deleteNow(address));
      deleting.set(key, mine);
      return mine.finally(() => {
        if (deleting.get(key) === mine) deleting.delete(key);
      });
    },

    sessions: () => deps.reads.sessions().map(toView),

    session(id) {
      const row = deps.reads.session(id);
      if (!row) throw new BerthError('E_SESSION_UNKNOWN', `there is no session "${id.slice(0, 80)}"`);
      return toView(row);
    },

    async ready() {
      deps.reads.sessionCount();
      await deps.engine.check();
    },
  };

  function chatOf(address: ChatAddress): { id: number; last: number } | undefined {
    deps.checkGroup(address.group);
    checkName('chat', address.chat);
    return deps.reads.chat(address.channel, address.group, address.chat);
  }

  async function deleteNow(address: ChatAddress): Promise<boolean> {
    const chat = chatOf(address);
    await deps.uploads.deleteChat(address);
    if (!chat) return false;
    const own = deps.reads.sessionsOfChat(chat.id);
    const removed = Promise.all(own.map(endSession)).then(() => deleteRows(chat.id, address.group));
    const { sessions, messages, sent, aside } = await removed.catch((error: unknown) => {
      // They stay, and their wakes were given up, their containers ended.
      for (const id of own) if (deps.reads.session(id)?.queue) deps.revisit(id);
      throw error;
    });
    deps.forgetChat(address);
    for (const { id } of sessions) await endSession(id);
    // Those of sessions that go on without them, because all chats of the group share them.
    for (const { session, message } of messages) deps.awake.forget(session, message);
    const foldersOf = (group: string, session: string) => sessionFolders(deps.dataDir, group, session);
    await removeAll([
      ...aside,
      // One that was just being woken has made its folder anew.
      ...sessions.flatMap(({ id, group }) => [foldersOf(group, id).root, crashFolder(deps.dataDir, id)]),
      ...messages.map(({ session, message, group }) => join(foldersOf(group, session).inFiles, message)),
      ...sent.map(({ session, row, group }) => join(foldersOf(group, session).sent, row)),
    ]);
    return true;
  }

  /**
   * The folders of the chat's own sessions go first: a host that is killed in between leaves nothing to a session that begins
   * anew. On a full disk even a deletion needs some room: what they hold gives it.
   */
  async function deleteRows(chatId: number, group: string) {
    const aside: string[] = [];
    try {
      for (const id of deps.reads.sessionsOfChat(chatId))
        aside.push(...(await setAside(sessionFolders(deps.dataDir, group, id).root, chatId)));
      return { ...(await deps.writer.run('deleteChat', { chatId })), aside };
    } catch (error) {
      if (asBerthError(error).code !== 'E_DISK_FULL') {
        await Promise.all(aside.map(putBack));
        throw error;
      }
      await removeAll(aside);
      return { ...(await deps.writer.run('deleteChat', { chatId })), aside: [] };
    }
  }

  /** No row leads to them any more. What cannot be removed has no way back, and holds up nobody. */
  async function removeAll(paths: string[]): Promise<void> {
    for (const path of paths) {
      await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        deps.log.warn({ err: error, path }, 'what is left of a deleted chat could not be removed');
      });
    }
  }

  /** A session that is just waking is waited for: its container must not outlive its folders. */
  async function endSession(id: string): Promise<void> {
    await deps.settled(id);
    const session = deps.awake.get(id);
    if (!session) return;
    await deps.stopNow(session);
    await session.over.promise;
  }

  function toView(row: SessionRow): SessionView {
    const { errorCode, errorReason, errorAt, channel, chat } = row;
    const { id, group, thread, state, since, epoch, queue, retryAt } = row;
    // The row may be ahead of what this thread knows.
    const live = row.state !== 'asleep' && deps.awake.get(row.id);
    return {
      ...{ id, group, thread, state, since, epoch, queue, retryAt },
      channel: channel ?? '*',
      chat: chat ?? '*',
      place: deps.placeOf(row.id),
      container: live ? deps.containerOf(row.id) : null,
      imageProblem: deps.imageProblem(row.group),
      credentialsProblem: deps.credentialsProblem(row.group),
      lastError: errorCode === null ? null : { code: errorCode, reason: errorReason ?? '', at: errorAt ?? 0 },
    };
  }
}

function keyOf({ channel, group, chat }: ChatAddress): string {
  return JSON.stringify([channel, group, chat]);
}
