import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Asked } from './asked.ts';
import { askOnward, endToEnd } from './forward-request.ts';
import type { Reached } from './reach.ts';

/**
 * Sends the request for a WebSocket over a connection that stands; where the server agrees, both ends are joined, else its answer
 * goes back and the connection is closed. Rejects when there is no answer.
 * @param head what the client has said after its request.
 */
export function forwardUpgrade(
  request: IncomingMessage,
  { client, head }: { client: Socket; head: Buffer },
  asked: Asked,
  reached: Reached,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onward = askOnward(request, asked, reached, UPGRADE);
    onward.once('error', reject);
    onward.once('upgrade', (answer, server, first) => {
      client.write(headOf(answer, UPGRADE));
      if (first.length > 0) client.write(first);
      if (head.length > 0) server.write(head);
      client.pipe(server).pipe(client);
      resolve();
    });
    onward.once('response', (answer) => {
      // Its end is that of the connection: how long it is need not be known.
      client.write(headOf(answer, [['Connection', 'close']]));
      answer.once('error', () => client.destroy());
      answer.pipe(client);
      resolve();
    });
    onward.end();
  });
}

const UPGRADE: [string, string][] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
];

function headOf(answer: IncomingMessage, between: [string, string][]): string {
  const { statusCode = 502, statusMessage = '', rawHeaders } = answer;
  const lines = [...endToEnd(rawHeaders), ...between].map(([name, value]) => `${name}: ${value}`);
  return `${[`HTTP/1.1 ${statusCode} ${statusMessage}`, ...lines].join('\r\n')}\r\n\r\n`;
}
