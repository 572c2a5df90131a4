import type { Channel, ChatEvent, Taken } from '../channels/channel.ts';
import type { SendError } from '../channels/send-error.ts';
import type { Clock } from '../clock.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow, SentMark } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { toChatEvent } from './chat-event.ts';
import type { ChatLane, Unsent } from './chat-lane.ts';
import { nextState } from './next-state.ts';
import { retryDelay } from './retry-delay.ts';
import { sendWithin } from './send-within.ts';

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  timeoutMs: number;
  retryMs: number;
  giveUpMs: number;
  onSent(mark: SentMark): void;
  /** Of an event that did not arrive, or perhaps not, its chat is told. */
  onNotices(rows: OutboxRow[]): void;
  isClosing(): boolean;
}

const LONGEST_PLATFORM_ID = 200;
const LONGEST_REASON = 500;

/**
 * One try to send an event. For a channel without a key the ledger says `sending` before the call, and whatever the call
 * came to stands in the ledger before the next event of the chat has its turn.
 *
 * @returns what is still to be done about it; `undefined`: nothing. Throws when the ledger cannot be read.
 */
export function createSendOnce(
  deps: Dependencies,
): (lane: ChatLane, channel: Channel, unsent: Unsent) => Promise<Unsent | undefined> {
  const { writer, clock, log } = deps;

  return async function sendOnce(lane, channel, unsent) {
    const event = unsent.event ?? reread(unsent.n);
    if (!event) return undefined;
    if (!channel.takesKey && unsent.status !== 'sending') {
      const begun = await written(lane, () => writer.run('beginSend', { n: unsent.n }));
      if (begun === false) return undefined;
      // Known to the lane, so that a stop before the call can take it back.
      if (begun) lane.put({ ...unsent, status: 'sending' });
    }
    if (deps.isClosing()) return lane.first;
    lane.calling = unsent.n;
    const outcome = await sendWithin(deps.timeoutMs, channel, event, sent);
    // A stop that waited no longer has said already what this has come to.
    if (lane.calling === null) return undefined;
    const rest =
      'taken' in outcome ? sent(outcome.taken) : await failed(lane, channel, unsent, outcome.failure);
    lane.calling = null;
    return rest;

    function sent({ platformId }: Taken): undefined {
      deps.onSent({ n: unsent.n, platformId: platformId?.slice(0, LONGEST_PLATFORM_ID) ?? null });
    }
  };

  /** As it is in the ledger now: its chat may be gone, the operator may have dropped it. */
  function reread(n: number): ChatEvent | undefined {
    const row = deps.reads.event(n);
    const isOpen = row && ['pending', 'sending', 'retry'].includes(row.delivery.status);
    return isOpen ? toChatEvent(row) : undefined;
  }

  async function failed(
    lane: ChatLane,
    { takesKey, name }: Channel,
    unsent: Unsent,
    failure: SendError,
  ): Promise<Unsent | undefined> {
    const { n } = unsent;
    const now = clock.now();
    const attempt = unsent.attempts + 1;
    const { retryMs, giveUpMs } = deps;
    const standing = { attempt, ageMs: now - unsent.since, takesKey, retryMs, giveUpMs };
    const next = nextState(failure, standing);
    log.warn({ err: failure, channel: name, event: `r${n}`, attempt, ...next }, 'sending failed');
    const error = failure.message.slice(0, LONGEST_REASON);
    const dueAt = next.to === 'retry' ? now + next.inMs : null;
    const notices = await written(lane, () =>
      writer.run('failSend', { n, to: next.to, dueAt, errorClass: failure.class, error, now }),
    );
    deps.onNotices(notices ?? []);
    if (next.to !== 'retry') return undefined;
    const readyAt = clock.monotonic() + next.inMs;
    return { ...unsent, status: 'retry', attempts: attempt, readyAt, event: undefined };
  }

  /** Tries until the ledger can be written; `undefined`: the host stops before that. */
  async function written<Result>(lane: ChatLane, write: () => Promise<Result>): Promise<Result | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await write();
      } catch (error) {
        if (deps.isClosing()) return undefined;
        log.error({ err: error, tries }, 'the state of an event could not be written');
        await lane.pause(retryDelay(tries, deps.retryMs));
      }
    }
  }
}
