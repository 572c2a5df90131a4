import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { History, SentEvent } from './history.ts';
import { until } from './until.ts';

/**
 * What the platform does with one send: takes it; says that it does not work now, or when it will, or never; never answers,
 * having taken it or not; takes it and breaks the connection; takes it and answers when nobody listens any more.
 */
export type Deed = 'take' | 'fail' | 'rate-limit' | 'refuse' | 'hang' | 'hang-taken' | 'lie' | 'late';

export interface Offer {
  message: string;
  channel: string;
  group: string;
  chat: string;
  order: number;
  text: string;
}

/**
 * A chat platform in this process, which lives on when a host is killed: like a real one it offers what people say until it is
 * acknowledged, in order within a chat, and takes what is sent to it. One of its channels knows a key again.
 */
export interface Platform {
  readonly url: string;
  /** Somebody says something. */
  offer(offer: Offer): void;
  /** What is done with the next replies in that chat. */
  plan(chat: string, deed: Deed): void;
  /** Planned deeds that have not been done. */
  planned(): number;
  /** Messages that no host has accepted. */
  unaccepted(): number;
  close(): void;
}

const LATE_MS = 3000;
const LONG_POLL_MS = 500;
/** How long the end of a call may take to be seen. */
const SEEN_WITHIN_MS = 100;

interface Send {
  channel: string;
  chat: string;
  takesKey: boolean;
  event: SentEvent;
}

export async function openPlatform(history: History): Promise<Platform> {
  const waiting = new Map<string, Offer[]>();
  const plans = new Map<string, Deed[]>();
  const taken = new Map<string, Set<number>>();
  const busy = new Map<string, number>();
  const started = new Set<string>();
  let calls = 0;

  const routes: Record<string, (body: never, response: ServerResponse) => unknown> = {
    '/hello': ({ channel }: { channel: string }) => void started.add(channel),
    '/updates': updates,
    '/ack': ({ message, id, session }: { message: string; id: string; session: string }) => {
      history.record({ what: 'accepted', message, id, session });
      for (const offers of waiting.values()) if (offers[0]?.message === message) offers.shift();
    },
    '/nack': ({ message, code }: { message: string; code: string }) =>
      history.record({ what: 'refused', message, code }),
    '/send': send,
  };
  const server = createServer(async (request, response) => {
    const answer = await routes[request.url ?? '']?.((await bodyOf(request)) as never, response);
    if (!response.headersSent && !response.destroyed && answer !== 'silence')
      response.end(JSON.stringify(answer ?? {}));
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    offer(offer) {
      history.record({ what: 'offered', ...offer });
      const offers = waiting.get(offer.chat) ?? [];
      waiting.set(offer.chat, offers);
      offers.push(offer);
    },
    plan: (chat, deed) => void plans.set(chat, [...(plans.get(chat) ?? []), deed]),
    planned: () => [...plans.values()].flat().length,
    unaccepted: () => [...waiting.values()].flat().length,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  /** The first message of each chat that is not acknowledged; waits a moment for one. */
  async function updates({ channel }: { channel: string }) {
    const end = performance.now() + LONG_POLL_MS;
    for (;;) {
      const first = [...waiting.values()].flatMap((offers) => offers[0] ?? []);
      const mine = first.filter((offer) => offer.channel === channel);
      if (mine.length > 0 || performance.now() > end) return { updates: mine };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function send({ channel, chat, takesKey, event }: Send, response: ServerResponse) {
    // A call that the host has given up, and the one after it, come over two connections: which is seen first, nobody says.
    await until('the call before to end', SEEN_WITHIN_MS, () => !busy.has(chat)).catch(() => undefined);
    const call = ++calls;
    const known = taken.get(channel) ?? new Set<number>();
    taken.set(channel, known);
    if (!started.has(channel)) offence(`${channel} sends before it has started`);
    if (busy.has(chat)) offence(`r${event.key} is sent while call ${busy.get(chat)} is under way in ${chat}`);
    busy.set(chat, call);
    response.on('close', () => busy.get(chat) === call && busy.delete(chat));
    const isKnown = takesKey && known.has(event.key);
    // Words about a send are not disturbed: what nobody can know cannot be told by a channel that fails as well.
    const deed = (!isKnown && event.type === 'message' && plans.get(chat)?.shift()) || 'take';
    history.record({ what: 'sent', channel, chat, event, deed: isKnown ? 'known' : deed, call });
    if (['take', 'hang-taken', 'lie', 'late'].includes(deed) && !isKnown) {
      known.add(event.key);
      history.record({ what: 'shown', channel, chat, event });
    }
    return respond(deed, event, response);
  }

  function offence(words: string): void {
    history.record({ what: 'offence', words });
  }
}

function respond(deed: Deed, { key }: SentEvent, response: ServerResponse): unknown {
  if (deed === 'hang' || deed === 'hang-taken') return 'silence';
  if (deed === 'late') {
    setTimeout(() => response.end(JSON.stringify({ platformId: `p${key}` })), LATE_MS);
    return 'silence';
  }
  if (deed === 'lie') {
    response.destroy();
    return 'silence';
  }
  if (deed === 'fail') response.statusCode = 503;
  if (deed === 'refuse') response.statusCode = 400;
  if (deed === 'rate-limit') response.writeHead(429, { 'retry-after-ms': '300' }).end('{}');
  return { platformId: `p${key}` };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}
