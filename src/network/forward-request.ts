import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { request as ask } from '../node-http.ts';
import type { Asked } from './asked.ts';
import type { Reached } from './reach.ts';
import { authorityOf } from './target.ts';

type Header = [name: string, value: string];

/**
 * Headers that are between two neighbours only, and are not handed on; and those that we say ourselves: which host is meant, and
 * how long a body is. What a `Connection` header names cannot take these away.
 */
const NOT_HANDED_ON = [
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Written so that a head does not wait for what follows it. Node's `flushHeaders` would send it as UTF-8, and bytes are to stay. */
const NOTHING = Buffer.alloc(0);

/**
 * Sends one plain HTTP request over a connection that stands, and the head of its answer back.
 * @returns the answer, whose body is still to be handed on. Rejects when there is none. The connection is the caller's to close.
 */
export async function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
  reached: Reached,
): Promise<IncomingMessage> {
  const onward = askOnward(request, asked, reached, [['Connection', 'close']]);
  const { answer } = await answerTo(onward, () => {
    onward.write(NOTHING);
    request.pipe(onward);
    // Whoever has had its answer before it had said all reads it when it has: the rest is for nobody.
    onward.once('close', () => request.resume());
  });
  const status = finalStatus(answer);
  response.writeHead(status, [...endToEnd(answer.rawHeaders), ...lengthOf(answer)].flat());
  response.write(NOTHING);
  return answer;
}

/** An answer, and where the server has left HTTP with it, what it says from then on. */
interface Answer {
  answer: IncomingMessage;
  joined?: { server: Duplex; first: Buffer };
}

/** Rejects also where sending fails, and where the connection ends without a word. */
export function answerTo(onward: ClientRequest, send: () => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    onward.on('error', reject);
    onward.once('response', (answer) => resolve({ answer }));
    onward.once('upgrade', (answer, server, first) => resolve({ answer, joined: { server, first } }));
    onward.once('close', () => reject(new Error('the connection was closed')));
    send();
  });
}

/** @throws Error where the status is none that ends a request. */
export function finalStatus({ statusCode = 0 }: IncomingMessage): number {
  if (statusCode < 200) throw new Error(`the answer has the status ${statusCode}`);
  return statusCode;
}

/** @param between the headers that are meant for the next neighbour alone. */
export function askOnward(
  request: IncomingMessage,
  asked: Asked,
  { connection, gateway }: Reached,
  between: Header[],
): ClientRequest {
  const host = asked.port === 80 ? authorityOf(asked).replace(/:80$/, '') : authorityOf(asked);
  const headers: Header[] = [...endToEnd(request.rawHeaders), ['Host', host], ...between];
  if (gateway?.authorization) headers.push(['Proxy-Authorization', gateway.authorization]);
  if (request.headers['transfer-encoding'] !== undefined) headers.push(['Transfer-Encoding', 'chunked']);
  return ask({
    createConnection: () => connection,
    method: request.method,
    path: gateway ? `http://${authorityOf(asked)}${asked.path}` : asked.path,
    headers: [...headers, ...lengthOf(request)].flat(),
    setHost: false,
  });
}

/** To be put last: after it Node takes a `Content-Disposition` as bytes, and refuses those that are not ASCII. */
export function lengthOf({ headers }: IncomingMessage): Header[] {
  const length = headers['content-length'];
  return length === undefined ? [] : [['Content-Length', length]];
}

/** Those that are handed on. */
export function endToEnd(raw: string[]): Header[] {
  const pairs = Array.from(
    { length: raw.length / 2 },
    (_, index): Header => [raw[2 * index] ?? '', raw[2 * index + 1] ?? ''],
  );
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  const kept = new Set([...NOT_HANDED_ON, ...named]);
  return pairs.filter(([name]) => !kept.has(name.toLowerCase()));
}
