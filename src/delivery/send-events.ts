import type { Channel, ChatAddress, ChatEvent } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { OutboxRow, UnsentRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { toChatEvent } from './chat-event.ts';
import { ChatLane } from './chat-lane.ts';
import { afterInterruption } from './next-state.ts';
import { createSendOnce } from './send-once.ts';
import { createSentMarks } from './sent-marks.ts';

interface Dependencies {
  channels: readonly Channel[];
  writer: Writer;
  reads: LedgerReads;
  clock: Clock;
  log: Logger;
  /** How long one send may take, in milliseconds. */
  timeoutMs: number;
  /** The pause after the first failure, in milliseconds. */
  retryMs: number;
  /** How old an event gets before it is given up, in milliseconds. */
  giveUpMs: number;
  /** How long a stop waits for sends that are under way, in milliseconds. */
  stopGraceMs: number;
  /** Called in order, before the channel is: whoever follows the chat. */
  onEvent(event: ChatEvent): void;
}

/** Pause after the ledger could not be read, in milliseconds. */
const UNREADABLE_MS = 1_000;
const INTERRUPTED = 'the host ended while it was being sent';

/**
 * Hands events to their channels: in order within a chat, and one chat's slow platform delays no other. What becomes of
 * an event is decided by `next-state.ts` and stands in the ledger; its states are told in `outbox-states.ts`.
 */
export function createSender(deps: Dependencies) {
  const { writer, reads, clock, log } = deps;
  const channels = new Map(deps.channels.map((channel) => [channel.name, channel]));
  const marks = createSentMarks(deps);
  const lanes = new Map<string, ChatLane>();
  const drains = new Set<Promise<void>>();
  const opened = Promise.withResolvers<void>();
  let closing = false;
  const sendOnce = createSendOnce({
    ...deps,
    onSent: marks.add,
    onNotices: (rows) => rows.forEach(deliver),
    isClosing: () => closing,
  });

  function deliver(row: OutboxRow): void {
    const event = toChatEvent(row);
    deps.onEvent(event);
    queue({ ...row, ...row.delivery }, event);
  }

  function queue(row: UnsentRow, event?: ChatEvent): void {
    const { n, status, attempts, since, dueAt } = row;
    const channel = channels.get(row.channel);
    // A channel that is not there now (another kind of host wrote to it) keeps its events for when it is.
    if (!channel) return;
    if (closing) {
      // Collected at the last moment: the next host has it.
      if (status === 'sending') void kept(writer.run('putBack', { events: [n] }));
      return;
    }
    const wait = dueAt === null ? 0 : Math.min(Math.max(dueAt - clock.now(), 0), deps.giveUpMs);
    const readyAt = wait === 0 ? 0 : clock.monotonic() + wait;
    const key = keyOf(row);
    const known = lanes.get(key);
    const lane = known ?? new ChatLane();
    // What has to wait is read again when its turn comes: its chat may be gone by then.
    const whole = lane.first ? undefined : event;
    lane.put({ n, status, attempts, since, readyAt, event: whole });
    if (known) return;
    lanes.set(key, lane);
    const drain = drainLane(key, lane, channel).finally(() => drains.delete(drain));
    drains.add(drain);
  }

  async function drainLane(key: string, lane: ChatLane, channel: Channel): Promise<void> {
    await opened.promise;
    for (let unsent = lane.first; unsent && !closing; unsent = lane.first) {
      const wait = unsent.readyAt === 0 ? 0 : unsent.readyAt - clock.monotonic();
      if (wait > 0) {
        await lane.pause(wait);
        continue;
      }
      lane.underWay = unsent.n;
      try {
        const rest = await sendOnce(lane, channel, unsent);
        if (rest) lane.put(rest);
        else lane.remove(unsent.n);
      } catch (error) {
        log.error({ err: error, event: `r${unsent.n}` }, 'an event could not be read');
        lane.put({ ...unsent, readyAt: clock.monotonic() + UNREADABLE_MS });
      }
      lane.underWay = null;
    }
    if (!closing) lanes.delete(key);
  }

  /** Takes events up as they stand in the ledger now. */
  function refresh(events: readonly number[]): void {
    for (const n of events) {
      const row = reads.unsentEvent(n);
      if (row) queue(row);
      else for (const lane of lanes.values()) lane.remove(n);
    }
  }

  /** What was under way without a key when a host ended. */
  async function interrupted(n: number): Promise<void> {
    const uncertain = { n, to: 'uncertain', dueAt: null, errorClass: 'unknown-outcome' } as const;
    const notices = await writer.run('failSend', { ...uncertain, error: INTERRUPTED, now: clock.now() });
    notices.forEach(deliver);
  }

  /** At the end: what cannot be written is found by the next host, which takes it for interrupted. */
  async function kept(written: Promise<unknown>): Promise<void> {
    await written.catch((error: unknown) =>
      log.error({ err: error }, 'the state of events could not be written'),
    );
  }

  return {
    deliver,

    /** What was sent and is not yet in the ledger. */
    marks,

    /** Takes up what an earlier host left; nothing is sent before `open`. @throws E_LEDGER. */
    async resume(): Promise<void> {
      const lost: number[] = [];
      for (const row of reads.unsentEvents()) {
        const takesKey = channels.get(row.channel)?.takesKey ?? true;
        if (row.status === 'sending' && afterInterruption(takesKey) === 'uncertain') lost.push(row.n);
        else queue(row);
      }
      await Promise.all(lost.map(interrupted));
    },

    /** The channels are started: sending begins. */
    open: opened.resolve,

    /**
     * Keeps events from being sent while the operator's order on them is written; `refresh` ends it.
     * @throws E_OUTBOX_STATE when one is being sent right now.
     */
    hold(events: readonly number[]): void {
      for (const lane of lanes.values()) {
        const busy = events.find((n) => n === lane.underWay);
        if (busy !== undefined)
          throw new BerthError(
            'E_OUTBOX_STATE',
            `r${busy} is being sent right now, so that nothing was done`,
          );
      }
      for (const lane of lanes.values()) for (const n of events) lane.hold(n);
    },

    refresh,

    /** The chat was deleted: whoever talks there from now on does not wait behind what was for others. */
    forgetChat(address: ChatAddress): void {
      refresh((lanes.get(keyOf(address))?.all() ?? []).map(({ n }) => n));
    },

    /** Begins nothing more, waits a moment for what is under way, and says in the ledger how the rest stands. */
    async close(): Promise<void> {
      closing = true;
      opened.resolve();
      for (const lane of lanes.values()) lane.hurry();
      await within(deps.stopGraceMs, Promise.all(drains));
      const called: number[] = [];
      const uncalled: number[] = [];
      for (const lane of lanes.values()) {
        const begun = lane.all().filter(({ n, status }) => status === 'sending' || n === lane.underWay);
        for (const { n, status } of begun) {
          if (n !== lane.calling) uncalled.push(n);
          else if (status === 'sending') called.push(n);
        }
        lane.calling = null;
      }
      if (uncalled.length > 0) await kept(writer.run('putBack', { events: uncalled }));
      for (const n of called) await kept(interrupted(n));
      await marks.close();
    },
  };
}

export type Sender = ReturnType<typeof createSender>;

function keyOf({ channel, group, chat }: ChatAddress): string {
  return JSON.stringify([channel, group, chat]);
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, ms);
  await Promise.race([work, limit.promise]);
  clearTimeout(timer);
}
