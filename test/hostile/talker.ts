import type { HostProcess, HttpEvent } from '../fixtures/host-process.ts';

/** Somebody who talks to a chat and hears the replies as they come, by server-sent events. */
export interface Talker {
  /** Says it. @returns the reply (or the failure), and how long it took, in milliseconds. */
  say(text: string): Promise<Heard & { ms: number }>;
  close(): void;
}

interface Heard {
  /** A failure has a `code` and no `text`. */
  event: Omit<HttpEvent, 'type'>;
  /** Monotonic milliseconds. */
  at: number;
}

const LIMIT_MS = 45_000;

export async function openTalker(host: HostProcess, group: string, chat: string): Promise<Talker> {
  const heard = new Map<string, Heard>();
  const waiting = new Map<string, (heard: Heard) => void>();
  const stop = new AbortController();
  const response = await fetch(`${host.url}/v1/groups/${group}/chats/${chat}/events`, {
    headers: { authorization: `Bearer ${host.token}` },
    signal: stop.signal,
  });
  void listen(response, (event) => {
    const at = performance.now();
    for (const id of event.answers ?? []) {
      // a draft answers nothing
      waiting.get(id)?.({ event, at });
      heard.set(id, { event, at });
    }
  }).catch(() => undefined);

  return {
    async say(text) {
      const began = performance.now();
      const { status, body } = await host.post(group, chat, text);
      if (status !== 202) throw new Error(`${status} ${JSON.stringify(body)}`);
      const reply = heard.get(body.message) ?? (await hear(body.message));
      heard.delete(body.message);
      waiting.delete(body.message);
      return { ...reply, ms: reply.at - began };
    },
    close: () => stop.abort(),
  };

  function hear(message: string): Promise<Heard> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no reply within ${LIMIT_MS} ms`)), LIMIT_MS);
      waiting.set(message, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
    });
  }
}

async function listen(response: Response, onEvent: (event: Omit<HttpEvent, 'type'>) => void): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)));
  }
}
