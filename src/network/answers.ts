import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { STATUS_CODES } from '../node-http.ts';

/** What a proxy says where it does not hand on. */

export const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

export function answerWith(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
  response.end(`berth: ${text}\n`);
}

/** The same to a client that has left HTTP behind. */
export function endWith(client: Socket, status: number, text: string): void {
  const body = `berth: ${text}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  client.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  client.resume();
}
