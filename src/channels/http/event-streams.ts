import type { ServerResponse } from 'node:http';
import type { Logger } from '../../log.ts';
import type { ChatAddress, ChatNotice, Host } from '../channel.ts';
import { type EventStream, openEventStream } from './event-stream.ts';

/** Time between two comments, in milliseconds: so proxies do not take a quiet chat for a dead connection. */
export const PING_EVERY_MS = 15_000;

/** All open readers of events. */
export interface EventStreams {
  /** Takes over the response and sends events past `after` on it; undefined: from now. Throws what the host throws. */
  open(response: ServerResponse, host: Host, address: ChatAddress, after: number | undefined): void;
  /** Shows a notice to all who read that chat now. */
  tell(notice: ChatNotice): void;
  closeChat(address: ChatAddress): void;
  closeAll(): void;
}

/** Keeps the open readers, pings them by one timer and closes them. */
export function createEventStreams({ log, pingEveryMs }: { log: Logger; pingEveryMs: number }): EventStreams {
  const streams = new Set<EventStream>();
  let timer: NodeJS.Timeout | undefined;

  function pingAll(): void {
    for (const stream of streams) stream.ping();
  }

  function forget(stream: EventStream): void {
    streams.delete(stream);
    if (streams.size === 0) clearInterval(timer);
  }

  return {
    open(response, host, address, after) {
      const stream = openEventStream({ response, host, address, after, log });
      if (streams.size === 0) timer = setInterval(pingAll, pingEveryMs).unref();
      streams.add(stream);
      response.once('close', () => forget(stream));
    },
    tell(notice) {
      for (const stream of streams) if (isSame(stream.address, notice)) stream.tell(notice);
    },
    closeChat(address) {
      for (const stream of streams) if (isSame(stream.address, address)) stream.end();
    },
    closeAll() {
      for (const stream of streams) stream.end();
    },
  };
}

function isSame(one: ChatAddress, other: ChatAddress): boolean {
  return one.channel === other.channel && one.group === other.group && one.chat === other.chat;
}
