import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CollectableSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { TurnRetryPeriods } from '../config.ts';
import { asBerthError } from '../errors.ts';
import type { CollectedClaim, CollectedMessage, CollectResult } from '../ledger/collect-rows.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Order } from '../ledger/requests.ts';
import { keepSentFile } from '../mailbox/keep-sent-file.ts';
import type { NothingToRead } from '../mailbox/open-outbound.ts';
import { OutboundInvalid } from '../mailbox/outbound-invalid.ts';
import type { OutboundMessage } from '../mailbox/outbound-rows.ts';
import { readOutbound } from '../mailbox/read-outbound.ts';
import type { OutboundLook } from '../mailbox/read-rows.ts';
import { createSentRoom } from '../mailbox/sent-room.ts';
import type { SlowLooks } from '../mailbox/slow-looks.ts';
import type { Writer } from '../writer/writer.ts';
import { claimOutcome } from './claim-outcome.ts';
import { LookPace } from './look-pace.ts';
import type { SentMarks } from './sent-marks.ts';

export interface CollectDependencies {
  writer: Writer;
  reads: Pick<LedgerReads, 'willAppear' | 'isCollected'>;
  clock: Clock;
  maxFileBytes: number;
  /** What the session's group allows on the disk, in bytes. */
  diskLimitOf(session: CollectableSession): number;
  turnRetries: TurnRetryPeriods;
  slowLooks: SlowLooks;
  /** Names of the channels that take no key. */
  keyless: readonly string[];
  /** What is to be done about a request of the session's container. */
  judge(session: string, request: OutboundMessage): Order;
  /** They ride along with what is collected. */
  marks: SentMarks;
  /** The ledger has new rows of this session: deliver the events, mind the retries. */
  onCollected(session: CollectableSession, result: CollectResult): void;
  /** There was nothing to read although the session's container may have written. */
  onUnread(session: CollectableSession, why: NothingToRead): void;
  /** It could be read, for the first time or again. */
  onRead(session: CollectableSession): void;
  /** What stands under `out/` breaks the contract. */
  onInvalid(session: CollectableSession, error: OutboundInvalid): void;
  /** It could not be taken, for a reason of the host's own: nothing is lost, it is to be looked at again. */
  onTrouble(session: CollectableSession, error: unknown): void;
}

/**
 * A file whose writer is in mid-commit is looked at again: at once for the last moment of a commit (its fsync takes a
 * fraction of a millisecond, and somebody waits for the reply), then every millisecond, then `onUnread` is told.
 */
const BUSY_TRIES_AT_ONCE = 4;
const BUSY_TRIES = 50;
const BUSY_AGAIN_MS = 1;
const MOST_EARLY = 1000;

interface Looking {
  promise: Promise<boolean>;
  again: boolean;
  /** Ends the pause between two tries: there was an event meanwhile. */
  hurry: () => void;
}

/**
 * Takes what a session's container wrote into the ledger. Events only hasten it: each look re-reads the rows, and one
 * that finds nothing new costs little and is rationed. Looks at one session never overlap.
 *
 * @returns `look`; its promise resolves when all that stood there at the call is in the ledger, with false when it could not be read.
 */
export function createCollect(deps: CollectDependencies): (session: CollectableSession) => Promise<boolean> {
  const underWay = new Map<string, Looking>();
  const paces = new WeakMap<CollectableSession, LookPace>();
  const room = createSentRoom(deps.clock);

  return function look(session) {
    const running = underWay.get(session.id);
    if (running) {
      running.again = true;
      running.hurry();
      return running.promise;
    }
    const mine: Looking = { promise: Promise.resolve(false), again: false, hurry: () => undefined };
    underWay.set(session.id, mine);
    mine.promise = lookUntilDone(session, mine).finally(() => underWay.delete(session.id));
    return mine.promise;
  };

  async function lookUntilDone(session: CollectableSession, mine: Looking): Promise<boolean> {
    let busy = 0;
    let isRead = false;
    try {
      do {
        const delay = paceOf(session).delay(deps.clock.monotonic());
        if (delay > 0) await wait(delay);
        mine.again = false;
        const { found, asked } = await lookOnce(session);
        isRead = typeof found !== 'string' || found === 'absent';
        if (found === 'busy' && ++busy <= BUSY_TRIES) {
          await pause(mine, busy);
          mine.again = true;
        } else if (typeof found === 'string') {
          deps.onUnread(session, found);
        } else {
          busy = 0;
          deps.onRead(session);
          await take(session, found, asked);
          mine.again ||= found.more;
        }
      } while (mine.again);
      return isRead;
    } catch (error) {
      if (error instanceof OutboundInvalid) deps.onInvalid(session, error);
      else deps.onTrouble(session, error);
      return false;
    }
  }

  function paceOf(session: CollectableSession): LookPace {
    const known = paces.get(session);
    if (known) return known;
    const pace = new LookPace(deps.clock.monotonic());
    paces.set(session, pace);
    return pace;
  }

  function wait(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  function pause(mine: Looking, tries: number): Promise<void> {
    if (tries <= BUSY_TRIES_AT_ONCE) return new Promise((resolve) => setImmediate(resolve));
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, BUSY_AGAIN_MS);
      mine.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** `asked`: for each message found, whether somebody waits for it. */
  async function lookOnce(
    session: CollectableSession,
  ): Promise<{ found: OutboundLook | NothingToRead; asked: boolean[] }> {
    const { id, epoch, cursor, folders } = session;
    const open = [...session.open.values()].map((message): [string, number] => [message.id, message.attempt]);
    const options = { out: folders.out, session: id, epoch, cursor, open };
    const began = deps.clock.monotonic();
    const quick = readOutbound(options);
    const { found, tookMs } =
      quick === 'exceeds'
        ? await deps.slowLooks.look(options)
        : { found: quick, tookMs: deps.clock.monotonic() - began };
    const rows = typeof found === 'string' ? [] : found.messages.map(({ answers }) => answers);
    const asked = paceOf(session).charge(tookMs, rows, session.open);
    if (typeof found === 'string') return { found, asked };
    if (found.epoch === epoch) session.started.resolve();
    session.freezing?.hear(found);
    session.life = { activityAt: found.activityAt, toolUntil: found.toolUntil };
    return { found, asked };
  }

  async function take(session: CollectableSession, found: OutboundLook, asked: boolean[]): Promise<void> {
    const now = deps.clock.now();
    const claims = outcomes(session, found, now);
    if (found.messages.length === 0 && found.usage.length === 0 && claims.length === 0) return;
    const messages: CollectedMessage[] = [];
    for (const [index, message] of found.messages.entries()) {
      const began = deps.clock.monotonic();
      messages.push(await withFiles(session, message));
      if (message.files.length > 0 && !asked[index]) paceOf(session).spend(deps.clock.monotonic() - began);
    }
    const { file, usage } = found;
    noteEarly(session, messages);
    const { keyless } = deps;
    const sent = deps.marks.take();
    const result = await deps.writer
      .run('collect', { session: session.id, file, messages, usage, claims, now, keyless, sent })
      .catch((error: unknown) => {
        deps.marks.giveBack(sent);
        throw error;
      });
    await dropUnused(session, messages);
    session.cursor = {
      file,
      seq: messages.at(-1)?.seq ?? (session.cursor.file === file ? session.cursor.seq : 0),
      usage: usage.at(-1)?.seq ?? (session.cursor.file === file ? session.cursor.usage : 0),
      epoch: messages.at(-1)?.epoch ?? session.cursor.epoch,
    };
    for (const id of result.ended) session.open.delete(id);
    for (const { message, attempt, dueAt } of result.retries) {
      const open = session.open.get(message);
      if (open) session.open.set(message, { ...open, attempt, dueAt });
    }
    for (const answer of result.answers) session.open.set(answer.id, answer);
    session.activeAt = deps.clock.monotonic();
    deps.onCollected(session, result);
  }

  /** A fast reply can be found before `onAccepted` has put its message on the list of the open ones. */
  function noteEarly(session: CollectableSession, messages: CollectedMessage[]): void {
    if (session.early.size > MOST_EARLY) session.early.clear();
    for (const { answers } of messages) {
      for (const id of answers) if (!session.open.has(id)) session.early.add(id);
    }
  }

  function outcomes(session: CollectableSession, found: OutboundLook, now: number): CollectedClaim[] {
    if (found.more) return [];
    session.processing.clear();
    const finished: CollectedClaim[] = [];
    for (const claim of found.claims) {
      const outcome = claimOutcome(claim, now, deps.turnRetries);
      if (outcome) finished.push({ message: claim.message, attempt: claim.attempt, outcome });
      else session.processing.add(claim.message);
    }
    return finished;
  }

  async function withFiles(session: CollectableSession, message: OutboundMessage): Promise<CollectedMessage> {
    const kept: CollectedMessage = { ...message, files: [], fileProblem: null };
    if (message.kind === 'system') return { ...kept, order: deps.judge(session.id, message) };
    if (message.files.length === 0 || !deps.reads.willAppear(session.id, message)) return kept;
    const folder = join(session.folders.sent, message.id);
    for (const file of message.files) {
      try {
        await room.check(session.folders.sent, deps.diskLimitOf(session));
        const copied = await keepSentFile(session.folders.out, file, folder, deps.maxFileBytes);
        room.note(session.folders.sent, copied.bytes);
        kept.files.push(copied);
      } catch (error) {
        const known = asBerthError(error);
        if (known.code === 'E_DISK_FULL') throw known;
        kept.fileProblem = known.message;
      }
    }
    return kept;
  }

  /** Copies for a row that was refused after all have no event with which they would be pruned. */
  async function dropUnused(session: CollectableSession, messages: CollectedMessage[]): Promise<void> {
    for (const { id, files } of messages) {
      if (files.length === 0 || deps.reads.isCollected(session.id, id)) continue;
      await rm(join(session.folders.sent, id), { recursive: true, force: true });
      for (const { bytes } of files) room.note(session.folders.sent, -bytes);
    }
  }
}
