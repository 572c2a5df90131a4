import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Asked } from './asked.ts';
import { answerTo, askOnward, endToEnd, finalStatus, lengthOf } from './forward-request.ts';
import type { Reached } from './reach.ts';

/**
 * Sends the request for a WebSocket over a connection that stands; where the server agrees, both ends are joined. Rejects when there
 * is no answer. The connection is the caller's to close.
 * @param head what the client has said after its request.
 * @returns where the server does not agree, its answer, of which the head alone is sent back. Its end is that of the connection.
 */
export async function forwardUpgrade(
  request: IncomingMessage,
  { client, head }: { client: Socket; head: Buffer },
  asked: Asked,
  reached: Reached,
): Promise<IncomingMessage | undefined> {
  const onward = askOnward(request, asked, reached, UPGRADE);
  const { answer, joined } = await answerTo(onward, () => onward.end());
  if (!joined) {
    finalStatus(answer);
    client.write(headOf(answer, [['Connection', 'close'], ...lengthOf(answer)]), 'latin1');
    return answer;
  }
  const { server, first } = joined;
  client.write(headOf(answer, UPGRADE), 'latin1');
  if (first.length > 0) client.write(first);
  if (head.length > 0) server.write(head);
  client.pipe(server).pipe(client);
  return undefined;
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
