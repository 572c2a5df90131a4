import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Config } from '../config.ts';
import { BerthError, type ErrorCode } from '../errors.ts';
import { keepSecret } from '../secrets.ts';

/** An event of a chat as the HTTP channel gives it. */
export interface ChatFrame {
  name: string;
  data: {
    text?: string;
    files?: { name: string; bytes: number }[];
    answers?: string[];
    inReplyTo?: string | null;
    code?: string;
    reason?: string;
  };
}

/** A chat with a group of the running host, over its HTTP channel. */
export interface ChatLine {
  /** @throws what the host refuses it with. */
  post(text: string): Promise<{ message: string; session: string }>;
  /** How many messages of the session have no answer yet. */
  queue(session: string): Promise<number>;
  /** Calls the listener with every event from the opening on; resolves when the host ends the line. */
  follow(listener: (frame: ChatFrame) => void): Promise<void>;
  close(): void;
}

/** Opens it; from now on nothing of the chat is missed. @throws E_NO_HOST, E_UNAUTHORIZED, E_GROUP_UNKNOWN. */
export async function openChatLine(config: Readonly<Config>, group: string, chat: string): Promise<ChatLine> {
  if (config.httpPort === 0)
    throw new BerthError('E_NO_HOST', 'a talk goes over the HTTP channel, which is off (BERTH_HTTP_PORT)');
  const { httpHost: host, httpPort: port } = config;
  const url = `http://${isIPv6(host) ? `[${host}]` : host}:${port}/v1`;
  const path = `/groups/${encodeURIComponent(group)}/chats/${encodeURIComponent(chat)}`;
  const authorization = `Bearer ${await readToken(config)}`;
  const controller = new AbortController();

  const ask = async (method: string, at: string, body?: object): Promise<Response> => {
    const response = await fetch(`${url}${at}`, {
      method,
      headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
      signal: controller.signal,
      ...(body && { body: JSON.stringify(body) }),
    }).catch((error: Error) => {
      throw new BerthError('E_NO_HOST', `no host answers at ${url}`, error);
    });
    if (response.ok) return response;
    const { error } = (await response.json()) as { error: { code: ErrorCode; message: string } };
    throw new BerthError(error.code, error.message);
  };
  const events = await ask('GET', `${path}/events`);

  return {
    async post(text) {
      const response = await ask('POST', `${path}/messages`, { text, sender: { id: 'terminal' } });
      return (await response.json()) as { message: string; session: string };
    },
    async queue(session) {
      const response = await ask('GET', `/sessions/${session}`);
      return ((await response.json()) as { queue: number }).queue;
    },
    async follow(listener) {
      if (!events.body) return;
      let name = '';
      const lines = createInterface({ input: Readable.fromWeb(events.body as ReadableStream) });
      try {
        for await (const line of lines) {
          if (line.startsWith('event: ')) name = line.slice(7);
          else if (line.startsWith('data: ')) listener({ name, data: JSON.parse(line.slice(6)) });
        }
      } catch (error) {
        if (!controller.signal.aborted) throw error;
      }
    },
    close: () => controller.abort(),
  };
}

/** The host's own, which it has put into its data folder. */
async function readToken({ httpToken, dataDir }: Readonly<Config>): Promise<string> {
  const path = join(dataDir, 'http-token');
  const stored = async () =>
    (
      await readFile(path, 'utf8').catch((error: Error) => {
        throw new BerthError('E_NO_HOST', `no host has run on that data folder: there is no ${path}`, error);
      })
    ).trim();
  const token = httpToken ?? (await stored());
  keepSecret(token);
  return token;
}
