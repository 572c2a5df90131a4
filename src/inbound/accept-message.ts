import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InboundBody } from '../../contract/bodies.ts';
import { newId } from '../../contract/ids.ts';
import { isTooLong, LONGEST_TEXT_BYTES } from '../../contract/longest-text.ts';
import type { Accepted, IncomingMessage } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow, SessionState } from '../ledger/rows.ts';
import { sessionFolders } from '../mailbox/session-folders.ts';
import type { Writer } from '../writer/writer.ts';
import { checkName } from './check-names.ts';
import { commandWords } from './command-words.ts';
import { resolveSession } from './resolve-session.ts';
import { slashCommand } from './slash-command.ts';
import type { Uploads } from './uploads.ts';

const MOST_FILES = 20;

/** What the next step has to know of a message that is durable. */
interface AcceptedMessage {
  session: string;
  id: string;
  wake: boolean;
  /** The session's, as the message found it. */
  state: SessionState;
}

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  uploads: Uploads;
  clock: Clock;
  dataDir: string;
  maxQueue: number;
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): Group;
  /** Names of the channels that take no key. */
  keyless: readonly string[];
  /** A new message is durable. */
  onAccepted(message: AcceptedMessage): void;
  /** A command to the host is durable and carried out in the ledger. */
  onCommand(done: { session: string; events: OutboxRow[]; stopped: string[] }): void;
}

/**
 * The first step of a message's way: checks it, finds its session, and makes it durable in the ledger.
 *
 * @throws BerthError: E_BAD_NAME, E_BAD_REQUEST, E_TOO_LARGE, E_GROUP_UNKNOWN, E_GROUP_CONFIG, E_UPLOAD_UNKNOWN,
 * E_QUESTION_UNKNOWN, E_DUPLICATE_ID, E_QUEUE_FULL, E_DISK_FULL, E_LEDGER. Nothing was kept then, and its uploads may be
 * named again.
 */
export function createAccept(deps: Dependencies): (message: IncomingMessage) => Promise<Accepted> {
  /** Messages with files under way, by chat and dedup key: the same one twice at once must not fight over its uploads. */
  const underWay = new Map<string, Promise<Accepted>>();

  return function accept(message) {
    const { files = [] } = message;
    if (files.length === 0) return acceptChecked(message);
    const key = JSON.stringify([message.channel, message.group, message.chat, message.id ?? newId('once')]);
    const before = underWay.get(key) ?? Promise.resolve();
    const mine = before.then(
      () => acceptChecked(message),
      () => acceptChecked(message),
    );
    underWay.set(key, mine);
    return mine.finally(() => {
      if (underWay.get(key) === mine) underWay.delete(key);
    });
  };

  async function acceptChecked(message: IncomingMessage): Promise<Accepted> {
    const group = deps.group(message.group);
    check(message);
    const thread = message.thread ?? null;
    const place = resolveSession(group.session, { channel: message.channel, chat: message.chat, thread });
    const contentHash = hashOf(message);
    const known = duplicate(message, contentHash);
    if (known) return known;
    const id = newId('m');
    const now = deps.clock.now();
    const session = sessionOf(message.group, place.key);
    if (message.answers !== undefined) checkQuestion(message, message.answers, session);
    const name = slashCommand(message);
    const command = name && { name, ...commandWords(name, group, deps.reads.session(session), now) };
    const sender = message.sender ?? { id: 'unknown' };
    const { in: inFolder } = sessionFolders(deps.dataDir, message.group, session);
    const named = message.files ?? [];
    try {
      const files = named.length > 0 ? await deps.uploads.lend(message, id, named, inFolder, now) : [];
      const body: InboundBody = { text: message.text, sender, chat: message.chat, thread, files };
      if (message.answers !== undefined) body.answers = message.answers;
      const { duplicate: again, ...result } = await deps.writer.run('accept', {
        message: id,
        channel: message.channel,
        group: message.group,
        chat: message.chat,
        thread,
        sessionKey: place.key,
        sessionOfChat: place.ofChat,
        sessionThread: place.thread,
        newSession: session,
        dedup: message.id ?? null,
        contentHash,
        kind: 'chat',
        wake: true,
        body: JSON.stringify(body),
        maxQueue: deps.maxQueue,
        command,
        keyless: deps.keyless,
        now,
      });
      const { state } = result;
      if (command) deps.onCommand(result);
      else if (!again) deps.onAccepted({ session: result.session, id, wake: true, state });
      // One that stays all the same goes within the hour.
      if (named.length > 0) await deps.uploads.used(message, named).catch(() => undefined);
      return { message: result.message, session: result.session, duplicate: again };
    } catch (error) {
      if (named.length > 0) await rm(join(inFolder, 'files', id), { recursive: true, force: true });
      throw error;
    }
  }

  /** A message that was accepted before is answered before its uploads are looked for: they were used then. */
  function duplicate(message: IncomingMessage, contentHash: string): Accepted | undefined {
    if (message.id === undefined || !message.files?.length) return undefined;
    const chat = deps.reads.chat(message.channel, message.group, message.chat);
    const known = chat && deps.reads.duplicate(chat.id, message.id);
    if (!known) return undefined;
    if (known.contentHash !== contentHash) {
      throw new BerthError(
        'E_DUPLICATE_ID',
        `the id "${message.id}" was used in this chat for another message`,
      );
    }
    return { message: known.id, session: known.session, duplicate: true };
  }

  /** What the agent is told to be an answer is one, to a question that it asked in this chat. */
  function checkQuestion({ channel, group, chat }: IncomingMessage, question: string, session: string): void {
    const known = deps.reads.chat(channel, group, chat);
    if (known && deps.reads.isQuestion(known.id, session, question)) return;
    const named = JSON.stringify(question.slice(0, 80));
    throw new BerthError('E_QUESTION_UNKNOWN', `no question ${named} was asked in this chat`);
  }
}

/** A session's id follows from group and key, so that its folder is known before its row is made. */
function sessionOf(group: string, key: string): string {
  return `s_${createHash('sha256')
    .update(JSON.stringify([group, key]))
    .digest('hex')
    .slice(0, 20)}`;
}

function check(message: IncomingMessage): void {
  checkName('chat', message.chat);
  if (message.id !== undefined) checkName('id', message.id);
  if (message.thread !== undefined && message.thread !== null) checkName('thread', message.thread);
  if (message.sender) {
    checkName('sender.id', message.sender.id);
    if (message.sender.name !== undefined) checkName('sender.name', message.sender.name);
  }
  for (const file of message.files ?? []) checkName('files.name', file.name);
  const { length } = message.files ?? [];
  if (length > MOST_FILES)
    throw new BerthError('E_BAD_REQUEST', `the message has ${length} files, ${MOST_FILES} are allowed`);
  if (message.text.trim() === '' && length === 0)
    throw new BerthError('E_BAD_REQUEST', 'the message has neither text nor files');
  if (isTooLong(message.text))
    throw new BerthError('E_TOO_LARGE', `the text has more than ${LONGEST_TEXT_BYTES} bytes as JSON`);
}

function hashOf({ sender, thread, text, files, answers }: IncomingMessage): string {
  const content = [sender?.id ?? null, sender?.name ?? null, thread ?? null, text, files ?? []];
  if (answers !== undefined) content.push(answers);
  return createHash('sha256').update(JSON.stringify(content)).digest('base64url');
}
