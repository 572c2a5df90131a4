import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as ask } from '../node-http.ts';
import type { Reached } from './reach.ts';
import type { Target } from './target.ts';
import { authorityOf } from './target.ts';

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
  asked: Target & { path: string },
  { connection, gateway }: Reached,
): Promise<void> {
  const host = asked.port === 80 ? authorityOf(asked).replace(/:80$/, '') : authorityOf(asked);
  const headers = handedOn(request.rawHeaders);
  headers.push(['Host', host], ['Connection', 'close']);
  if (gateway?.authorization) headers.push(['Proxy-Authorization', gateway.authorization]);
  const hasBody = request.headers['transfer-encoding'] !== undefined;
  if (hasBody) headers.push(['Transfer-Encoding', 'chunked']);
  return new Promise((resolve, reject) => {
    const onward = ask({
      createConnection: () => connection,
      method: request.method,
      path: gateway ? `http://${authorityOf(asked)}${asked.path}` : asked.path,
      headers: headers.flat(),
      setHost: false,
    });
    response.once('close', () => connection.destroy());
    onward.once('error', reject);
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, handedOn(answer.rawHeaders).flat());
      answer.once('error', () => response.destroy());
      answer.pipe(response);
      resolve();
    });
    request.pipe(onward);
  });
}

/** The end-to-end headers, without Host, which the target decides. */
function handedOn(raw: string[]): [string, string][] {
  const pairs = Array.from({ length: raw.length / 2 }, (_, index): [string, string] => [
    raw[2 * index] ?? '',
    raw[2 * index + 1] ?? '',
  ]);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim());
  return pairs.filter(([name]) => {
    const key = name.toLowerCase();
    return key !== 'host' && !HOP_BY_HOP.has(key) && !named.includes(key);
  });
}
