import type Database from 'better-sqlite3';
import { prepareDue } from './due-messages.ts';
import { prepareOutbox } from './outbox.ts';
import { prepareOutboxStates } from './outbox-states.ts';
import { prepareReceipts } from './receipts.ts';
import { type Order, prepareRequests } from './requests.ts';
import { type Origin, prepareRowPlace, type SessionHome } from './row-place.ts';
import type { MailboxEffects, OutboxRow, SentMark, WaitingMessage } from './rows.ts';

/** A reply as the container wrote it, checked by the mailbox; its files are in the host's keeping already. */
export interface CollectedMessage {
  seq: number;
  id: string;
  epoch: number;
  kind: string;
  inReplyTo: string | null;
  destination: string | null;
  text: string;
  answers: string[];
  silent: boolean;
  /** It is a question, which a message answers that names the row. */
  question?: { options: string[] } | undefined;
  files: { name: string; bytes: number }[];
  /** What is wrong with a file of the row that is not among `files`; the text goes all the same. */
  fileProblem: string | null;
  /** Of a row of kind `system`: what is to be done. */
  order?: Order | undefined;
}

export interface CollectedClaim {
  message: string;
  attempt: number;
  /** What follows from it, decided by `delivery/`. */
  outcome: { done: true } | { retryAt: number } | { code: string; reason: string };
}

interface CollectedUsage {
  seq: number;
  messageId: string | null;
  model: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  cacheReadTokens: number | null;
  cacheWriteTokens: number | null;
  costUsd: number | null;
  durationMs: number | null;
  at: number;
}

export interface CollectArguments {
  session: string;
  file: string;
  messages: CollectedMessage[];
  claims: CollectedClaim[];
  usage: CollectedUsage[];
  now: number;
  /** Names of the channels that take no key; see `outbox-states.ts`. */
  keyless?: readonly string[];
  /** Sends that the ledger does not know of yet: they ride along. */
  sent?: readonly SentMark[];
}

export interface CollectResult {
  events: OutboxRow[];
  /** Messages that are over now. */
  ended: string[];
  retries: { message: string; attempt: number; dueAt: number }[];
  /** The host's answers to requests; they wait for the runner. */
  answers: WaitingMessage[];
}

/**
 * The command that takes what a container wrote into the ledger: replies into the outbox with their event numbers,
 * claims into the inbox, the cursor, all in one transaction. What was collected before changes nothing.
 */
export function prepareCollect(
  db: Database.Database,
): (args: CollectArguments, effects: MailboxEffects) => CollectResult {
  const outbox = prepareOutbox(db);
  const states = prepareOutboxStates(db);
  const receipts = prepareReceipts(db);
  const { behind } = prepareDue(db);
  const answerRequest = prepareRequests(db);
  const placeOf = prepareRowPlace(db);
  const lastChat = db.prepare<[string], { chatId: number }>(
    'SELECT chat_id AS chatId FROM inbox WHERE session = ? ORDER BY seq DESC LIMIT 1',
  );
  const sessionRow = db.prepare<
    [string],
    SessionHome & {
      cursor_file: string | null;
      cursor_seq: number;
      cursor_usage: number;
      cursor_epoch: number;
    }
  >(
    `SELECT chat_id AS chatId, thread, cursor_file, cursor_seq, cursor_usage, cursor_epoch
     FROM sessions WHERE id = ?`,
  );
  const findMessage = db.prepare<[string, string], Origin>(
    'SELECT chat_id, thread, status FROM inbox WHERE id = ? AND session = ?',
  );
  const markReplied = db.prepare(
    "UPDATE inbox SET replied = 1 WHERE id = ? AND session = ? AND status = 'waiting'",
  );
  const findClaimed = db.prepare<
    [string, string],
    { attempt: number; status: string; replied: number; kind: string }
  >('SELECT attempt, status, replied, kind FROM inbox WHERE id = ? AND session = ?');
  const end = db.prepare('UPDATE inbox SET status = ?, ended_at = ? WHERE id = ?');
  const retry = db.prepare('UPDATE inbox SET attempt = attempt + 1, due_at = ? WHERE id = ?');
  const moveCursor = db.prepare(
    'UPDATE sessions SET cursor_file = ?, cursor_seq = ?, cursor_usage = ?, cursor_epoch = ? WHERE id = ?',
  );
  const addUsage = db.prepare(
    `INSERT OR IGNORE INTO usage (session, file, seq, message_id, model, input_tokens, output_tokens, cache_read_tokens,
       cache_write_tokens, cost_usd, duration_ms, at)
     VALUES (@session, @file, @seq, @messageId, @model, @inputTokens, @outputTokens, @cacheReadTokens,
       @cacheWriteTokens, @costUsd, @durationMs, @at)`,
  );

  return (args, effects) => {
    // First of all: what is sent is in front of nothing any more.
    if (args.sent) states.markSent({ events: args.sent, now: args.now }, effects);
    const session = sessionRow.get(args.session);
    const result: CollectResult = { events: [], ended: [], retries: [], answers: [] };
    if (!session) return result;
    const sameFile = session.cursor_file === args.file;
    const cursor = {
      file: args.file,
      seq: sameFile ? session.cursor_seq : 0,
      usage: sameFile ? session.cursor_usage : 0,
      epoch: session.cursor_epoch,
    };
    for (const message of args.messages) {
      if (message.seq <= cursor.seq) continue;
      takeMessage(args, session, message, effects, result);
      cursor.seq = message.seq;
      cursor.epoch = message.epoch;
    }
    for (const row of args.usage) {
      if (row.seq <= cursor.usage) continue;
      addUsage.run({ ...row, session: args.session, file: args.file });
      cursor.usage = row.seq;
    }
    for (const claim of args.claims) takeClaim(args, claim, effects, result);
    moveCursor.run(cursor.file, cursor.seq, cursor.usage, cursor.epoch, args.session);
    effects.settle(args.session, result.ended, cursor);
    return result;
  };

  function takeMessage(
    args: CollectArguments,
    own: SessionHome,
    message: CollectedMessage,
    effects: MailboxEffects,
    result: CollectResult,
  ): void {
    const { session, now, keyless } = args;
    const origin = message.inReplyTo === null ? undefined : findMessage.get(message.inReplyTo, session);
    if (message.kind === 'system' && message.order) {
      const chat = origin?.chat_id ?? own.chatId ?? lastChat.get(args.session)?.chatId;
      if (chat === undefined) return;
      const asked = { session, rowId: message.id, chatId: chat, thread: (origin ?? own).thread, now };
      const answer = answerRequest(asked, message.order, effects);
      if (answer) result.answers.push(answer);
      return;
    }
    const placed = placeOf({ session, own, now }, origin, message);
    const refused = 'refused' in placed;
    // Who answered a question for a message that was stopped in another chat is owed nothing more.
    if (!refused || origin?.status === 'stopped')
      for (const answered of message.answers) markReplied.run(answered, session);
    if (refused) {
      receipts.refuse({ session, outId: message.id, detail: placed.refused, at: now }, effects);
      return;
    }
    if (message.silent) return;
    const { answers, ...rest } = placed;
    const place = { ...rest, session, now };
    const { text, files, question, id } = message;
    const body = { text, answers, files, rowId: id, question };
    push(
      result,
      outbox.add({ ...place, type: 'message', rowId: message.id, body, code: null, reason: null }, keyless),
    );
    if (message.fileProblem === null) return;
    const rowId = `file:${message.id}`;
    const nothing = { text: '', answers: [], files: [], rowId };
    push(
      result,
      outbox.add({
        ...place,
        type: 'failure',
        rowId,
        body: nothing,
        code: 'E_FILE_REFUSED',
        reason: message.fileProblem,
      }),
    );
  }

  function push(result: CollectResult, event: OutboxRow | undefined): void {
    if (event) result.events.push(event);
  }

  function takeClaim(
    args: CollectArguments,
    claim: CollectedClaim,
    effects: MailboxEffects,
    result: CollectResult,
  ): void {
    const row = findClaimed.get(claim.message, args.session);
    if (!row || row.status !== 'waiting' || row.attempt !== claim.attempt) return;
    const { outcome } = claim;
    if (row.kind === 'system') {
      // The runner has seen the host's answer, or has no use for it.
      end.run('answered', args.now, claim.message);
      result.ended.push(claim.message);
      return;
    }
    if ('retryAt' in outcome) {
      retry.run(outcome.retryAt, claim.message);
      // Our own runner waits by itself until the retry is over; another's may already be at the next message.
      effects.withdraw(args.session, behind(args.session, claim.message));
      result.retries.push({ message: claim.message, attempt: row.attempt + 1, dueAt: outcome.retryAt });
      return;
    }
    const failure = 'code' in outcome ? outcome : row.replied ? null : noReply;
    end.run(failure ? 'failed' : 'answered', args.now, claim.message);
    result.ended.push(claim.message);
    if (!failure) return;
    push(
      result,
      outbox.addFailure(
        { session: args.session, message: claim.message, ...failure, now: args.now },
        args.keyless,
      ),
    );
  }
}

const noReply = { code: 'E_TURN_NO_REPLY', reason: 'The agent called the message done, but said nothing.' };
