import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { request as ask } from '../node-http.ts';
import type { Asked } from './asked.ts';
import type { Reached } from './reach.ts';
import { authorityOf } from './target.ts';

type Header = [name: string, value: string];

/** Headers that are between two neighbours only, and are not handed on. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Sends one plain HTTP request over a connection that stands, and its answer back. The connection is closed afterwards.
 * Rejects when there is no answer.
 */
export function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  asked: Asked,
  reached: Reached,
): Promise<void> {
  const hasBody = request.headers['transfer-encoding'] !== undefined;
  const between: Header[] = [['Connection', 'close']];
  if (hasBody) between.push(['Transfer-Encoding', 'chunked']);
  return new Promise((resolve, reject) => {
    const onward = askOnward(request, asked, reached, between);
    response.once('close', () => reached.connection.destroy());
    onward.once('error', reject);
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders).flat());
      answer.once('error', () => response.destroy());
      answer.pipe(response);
      resolve();
    });
    request.pipe(onward);
  });
}

/** @param between the headers that are meant for the next neighbour alone. */
export function askOnward(
  { method, rawHeaders }: IncomingMessage,
  asked: Asked,
  { connection, gateway }: Reached,
  between: Header[],
): ClientRequest {
  const host = asked.port === 80 ? authorityOf(asked).replace(/:80$/, '') : authorityOf(asked);
  const headers: Header[] = [...endToEnd(rawHeaders), ['Host', host], ...between];
  if (gateway?.authorization) headers.push(['Proxy-Authorization', gateway.authorization]);
  return ask({
    createConnection: () => connection,
    method,
    path: gateway ? `http://${authorityOf(asked)}${asked.path}` : asked.path,
    headers: headers.flat(),
    setHost: false,
  });
}

/** Those that are handed on; without Host, which the target decides. */
export function endToEnd(raw: string[]): Header[] {
  const pairs = Array.from(
    { length: raw.length / 2 },
    (_, index): Header => [raw[2 * index] ?? '', raw[2 * index + 1] ?? ''],
  );
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  return pairs.filter(([name]) => {
    const key = name.toLowerCase();
    return key !== 'host' && !HOP_BY_HOP.has(key) && !named.includes(key);
  });
}
