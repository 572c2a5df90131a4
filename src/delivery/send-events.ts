import type { Channel, ChatEvent } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import type { OutboxRow } from '../ledger/rows.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { retryDelay } from './retry-delay.ts';

interface Dependencies {
  channels: ReadonlyMap<string, Channel>;
  writer: Writer;
  clock: Clock;
  log: Logger;
  /** Called in order, before the channel is: whoever follows the chat. */
  onEvent(event: ChatEvent): void;
}

/** How long `sent` marks wait for company, in milliseconds: they are worth no commit of their own. */
const MARKS_MS = 100;

/**
 * Hands events to their channels, in order within a chat; one chat's slow platform delays no other. A send that fails is
 * tried again with growing pauses. Events that were under way when a host died are sent again by the next one.
 */
export function createSender(deps: Dependencies) {
  const queues = new Map<string, ChatEvent[]>();
  const pauses = new Set<NodeJS.Timeout>();
  let sent: number[] = [];
  let marking: NodeJS.Timeout | undefined;
  let closed = false;

  function deliver(row: OutboxRow): void {
    const event = toChatEvent(row);
    deps.onEvent(event);
    const chat = JSON.stringify([event.channel, event.group, event.chat]);
    const queue = queues.get(chat);
    if (queue) {
      queue.push(event);
      return;
    }
    const mine = [event];
    queues.set(chat, mine);
    void sendAll(chat, mine);
  }

  async function sendAll(chat: string, queue: ChatEvent[]): Promise<void> {
    for (let event = queue[0]; event && !closed; event = queue[0]) {
      const channel = deps.channels.get(event.channel);
      // A channel that is not there now (another kind of host wrote to it) keeps its events for when it is.
      if (channel) await sendUntilTaken(channel, event);
      queue.shift();
    }
    queues.delete(chat);
  }

  async function sendUntilTaken(channel: Channel, event: ChatEvent): Promise<void> {
    for (let attempt = 1; !closed; attempt++) {
      try {
        await channel.send(event);
        markSent(event.key);
        return;
      } catch (error) {
        const delay = retryDelay(attempt);
        deps.log.warn(
          { err: error, channel: channel.name, event: event.id, attempt, retryMs: delay },
          'sending failed',
        );
        await pause(delay);
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        pauses.delete(timer);
        resolve();
      }, ms);
      pauses.add(timer.unref());
    });
  }

  function markSent(key: number): void {
    sent.push(key);
    marking ??= setTimeout(() => void flush(), MARKS_MS);
  }

  async function flush(): Promise<void> {
    clearTimeout(marking);
    marking = undefined;
    const events = sent;
    sent = [];
    if (events.length === 0) return;
    await deps.writer.run('markSent', { events, now: deps.clock.now() }).catch((error: unknown) => {
      // They stay pending and are sent again at the next start, under the same key.
      deps.log.warn({ err: error, events: events.length }, 'sent events could not be marked');
    });
  }

  return {
    deliver,
    /** Sends nothing more, and keeps what was sent. */
    async close(): Promise<void> {
      closed = true;
      for (const timer of pauses) clearTimeout(timer);
      await flush();
    },
  };
}

/** What channels and readers of a chat get of an outbox row. */
export function toChatEvent(row: OutboxRow): ChatEvent {
  const { n, body, ...rest } = row;
  return { ...rest, key: n, id: `r${n}`, text: body.text, answers: body.answers, files: body.files };
}
