import type { ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '../../log.ts';
import type { ChatAddress, ChatDraft, ChatEvent, ChatNotice, Host } from '../channel.ts';
import { eventData } from './event-data.ts';
import { createSseWriter, type SseWriter } from './sse-writer.ts';

/** Events read from the ledger at once while a reader catches up. */
const PAGE = 50;

/** One reader of the events of a chat. */
export interface EventStream {
  readonly address: ChatAddress;
  tell(notice: ChatNotice): void;
  ping(): void;
  end(): void;
}

export interface EventStreamOptions {
  response: ServerResponse;
  host: Host;
  address: ChatAddress;
  /** Number of the last event that the reader has; undefined: it wants only what comes. */
  after: number | undefined;
  log: Logger;
}

/**
 * Sends the events of a chat, each once and in order. It listens first and reads the backlog then, so that
 * nothing falls between the two. What arrives while it reads is not kept: it is in the ledger by then, so the
 * backlog ends only with a page that is empty, and in that same tick the reader goes live. Numbers that were
 * sent already are skipped.
 *
 * Throws what the host throws on a wrong address, before anything is sent.
 */
export function openEventStream({ response, host, address, after, log }: EventStreamOptions): EventStream {
  const writer = createSseWriter(response);
  let cursor = 0;
  let live = false;

  const release = host.subscribe(address, (event) => {
    if (!live || event.event <= cursor) return;
    if (event.event === cursor + 1) sendLive(event);
    else startCatchUp(); // told out of order: the ledger has what is between
  });
  try {
    const { last } = host.events(address, after ?? Number.MAX_SAFE_INTEGER, 1);
    cursor = after ?? last;
    live = after === undefined;
  } catch (error) {
    release();
    throw error;
  }
  const releaseDrafts = host.drafts(address, showDraft);
  response.once('close', release).once('close', releaseDrafts);
  writer.begin();
  if (!live) startCatchUp();

  function sendLive(event: ChatEvent): void {
    if (writer.isTooFarBehind()) {
      log.warn(
        { group: address.group, event: event.event },
        'a reader of events is too far behind and was closed',
      );
      live = false;
      response.destroy();
      return;
    }
    send(event);
  }

  function send(event: ChatEvent): void {
    writer.event(event.type, eventData(event), event.event);
    cursor = event.event;
  }

  function startCatchUp(): void {
    live = false;
    void catchUp();
  }

  async function catchUp(): Promise<void> {
    try {
      while (!writer.isClosed()) {
        const page = host.events(address, cursor, PAGE);
        const moved = tellGap(page);
        live = page.events.length === 0 && !moved;
        if (live) return;
        await sendPage(page.events, writer, send);
      }
    } catch (error) {
      log.error(
        { err: error, group: address.group },
        'reading the events of a chat failed; its reader was closed',
      );
      response.destroy();
    }
  }

  /**
   * Where the next number is not kept, or none that was ever given (the chat was deleted and began anew): says
   * so and goes on with the oldest that there is. True: the reader was moved.
   */
  function tellGap({ first, last }: { first: number; last: number }): boolean {
    const oldest = first === 0 ? last + 1 : first;
    if (cursor + 1 >= oldest && cursor <= last) return false;
    writer.event('gap', { first: oldest });
    cursor = oldest - 1;
    return true;
  }

  /** Without an id, so that the reader's place stays where it is. */
  function tell({ session, thread, text }: ChatNotice): void {
    if (!writer.isTooFarBehind()) writer.event('notice', { session, thread, text });
  }

  /** Of a reader that is behind it is the drafts that go first: the next one says the same, and more. */
  function showDraft({ inReplyTo, text, tool }: ChatDraft): void {
    if (!writer.isBehind()) writer.event('draft', { inReplyTo, text, tool });
  }

  return { address, tell, ping: writer.ping, end: writer.end };
}

/** As fast as the reader takes them, and with a breath after each page for the others. */
async function sendPage(
  events: ChatEvent[],
  writer: SseWriter,
  send: (event: ChatEvent) => void,
): Promise<void> {
  for (const event of events) {
    if (writer.isClosed()) return;
    send(event);
    await writer.drained();
  }
  await setImmediate();
}
