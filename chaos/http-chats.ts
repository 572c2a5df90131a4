import type { History } from './history.ts';
import type { OwnHost } from './own-host.ts';
import { PLACES } from './places.ts';
import type { Offer } from './platform.ts';
import { pause } from './until.ts';

/** People who talk over HTTP: they post again until they have an answer, and read what has come since. */
export interface HttpChats {
  offer(offer: Offer): void;
  unaccepted(): number;
  /** Deletes the chat; resolves when the host has said so. */
  delete(group: string, chat: string): Promise<void>;
  close(): Promise<void>;
}

const AGAIN_MS = 200;

interface HttpEvent {
  event: number;
  type: 'message' | 'failure';
  answers: string[];
  text: string;
  code: string | null;
  reason: string | null;
}

export function openHttpChats(host: OwnHost, history: History): HttpChats {
  const writers = new Map<string, Promise<void>>();
  const readers = new Map<string, Promise<void>>();
  const left = new Set<string>();
  let waiting = 0;
  let closed = false;

  return {
    offer(offer) {
      history.record({ what: 'offered', ...offer });
      waiting += 1;
      const key = `${offer.group} ${offer.chat}`;
      const before = writers.get(key) ?? Promise.resolve();
      writers.set(
        key,
        before.then(() => post(offer)),
      );
      if (!readers.has(key)) readers.set(key, read(offer.group, offer.chat));
    },
    unaccepted: () => waiting,
    async delete(group, chat) {
      left.add(chat);
      history.record({ what: 'deleted', chat });
      for (;;) {
        const answer = await ask('DELETE', `/v1/groups/${group}/chats/${chat}`);
        if (closed || answer?.status === 204 || answer?.status === 404) return;
        await pause(AGAIN_MS);
      }
    },
    async close() {
      closed = true;
      await Promise.all([...writers.values(), ...readers.values()]);
    },
  };

  async function post({ group, chat, message, text }: Offer): Promise<void> {
    while (!closed && !left.has(chat)) {
      const answer = await ask('POST', `/v1/groups/${group}/chats/${chat}/messages`, { id: message, text });
      const body = answer?.body as { message: string; session: string; error?: { code: string } } | undefined;
      if (body && (answer?.status === 200 || answer?.status === 202)) {
        history.record({ what: 'accepted', message, id: body.message, session: body.session });
        break;
      }
      if (body) history.record({ what: 'refused', message, code: body.error?.code ?? `${answer?.status}` });
      await pause(AGAIN_MS);
    }
    waiting -= 1;
  }

  async function read(group: string, chat: string): Promise<void> {
    let last = 0;
    while (!closed && !left.has(chat)) {
      const answer = await ask('GET', `/v1/groups/${group}/chats/${chat}/messages?after=${last}&limit=1000`);
      const { events = [] } = (answer?.status === 200 ? answer.body : {}) as { events?: HttpEvent[] };
      for (const { event, type, answers, text = '', code = null, reason = null } of events) {
        const seen = { key: event, event, type, answers, text, code, reason };
        history.record({ what: 'shown', channel: 'http', chat, event: seen });
        last = event;
        // Such a chat was made for one message.
        if (type === 'message' && !PLACES.some((place) => place.chat === chat)) return;
      }
      await pause(AGAIN_MS);
    }
  }

  async function ask(method: string, path: string, body?: object) {
    try {
      const response = await fetch(`${host.url}${path}`, {
        method,
        signal: AbortSignal.timeout(20_000),
        headers: { authorization: `Bearer ${host.token}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : {} };
    } catch {
      return undefined;
    }
  }
}
