import type { Channel, ChatEvent, Host } from '../src/channels/channel.ts';
import { SendError } from '../src/channels/send-error.ts';
import { BerthError } from '../src/errors.ts';
import type { Offer } from './platform.ts';

/*
 * The host's side of the recording platform, put into it by `BERTH_TEST_CHANNELS`: two channels that speak HTTP with it as those
 * of a real platform would. One passes the key on, the other has nowhere to put it.
 */

const platform = process.env.BERTH_TEST_PLATFORM ?? '';
const AGAIN_MS = 200;

export function createChannels(): Channel[] {
  return [createChannel('keyed', true), createChannel('keyless', false)];
}

function createChannel(name: string, takesKey: boolean): Channel {
  const closing = new AbortController();
  const underWay = new Set<string>();
  let receiving: Promise<void> | undefined;

  return {
    name,
    takesKey,
    async start(host) {
      await post('/hello', { channel: name });
      receiving = receive(host);
    },
    async send(event, { signal }) {
      const answer = await post(
        '/send',
        { channel: name, chat: event.chat, takesKey, event: sent(event) },
        signal,
      );
      if (answer.status === 503) throw new SendError('transient', 'the platform does not work now');
      if (answer.status === 400) throw new SendError('permanent', 'the platform does not want it');
      if (answer.status === 429) {
        const retryAfterMs = Number(answer.headers.get('retry-after-ms'));
        throw new SendError('rate-limited', 'the platform wants a pause', { retryAfterMs });
      }
      return (await answer.json()) as { platformId: string };
    },
    async close() {
      closing.abort();
      await receiving;
    },
  };

  async function receive(host: Host): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        const answer = await post('/updates', { channel: name }, closing.signal);
        const { updates } = (await answer.json()) as { updates: Offer[] };
        const fresh = updates.filter(({ message }) => !underWay.has(message));
        if (fresh.length === 0) await pause(20);
        for (const offer of fresh) void accept(host, offer);
      } catch {
        await pause(AGAIN_MS);
      }
    }
  }

  /** What is not acknowledged is offered again. */
  async function accept(host: Host, { message, group, chat, text }: Offer): Promise<void> {
    underWay.add(message);
    try {
      const { message: id, session } = await host.accept({ channel: name, group, chat, id: message, text });
      await post('/ack', { message, id, session });
    } catch (error) {
      await post('/nack', { message, code: error instanceof BerthError ? error.code : `${error}` }).catch(
        () => undefined,
      );
      await pause(AGAIN_MS);
    } finally {
      underWay.delete(message);
    }
  }
}

function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${platform}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

function sent({ key, event, type, answers, text, code, reason }: ChatEvent) {
  return { key, event, type, answers, text, code, reason };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
