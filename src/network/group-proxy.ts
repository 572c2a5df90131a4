import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, STATUS_CODES } from '../node-http.ts';
import { NoConnection } from './dial.ts';
import { forwardRequest } from './forward-request.ts';
import { askForTunnel } from './gateway.ts';
import { pipeTunnel } from './pipe-tunnel.ts';
import { reach } from './reach.ts';
import type { ResolveName } from './resolve-name.ts';
import { authorityOf, parseAbsolute, parseAuthority, type Target } from './target.ts';
import type { Passage, Verdict } from './verdict.ts';

interface Dependencies {
  resolve: ResolveName;
  /** Asked for each request anew, so that an edit holds at once. */
  judge(target: Target): Verdict;
  note(passage: Passage): void;
}

export interface GroupProxy {
  server: Server;
  /** Cuts the tunnels to hosts that are no longer allowed. */
  recheck(): void;
  close(): Promise<void>;
}

/** Of a group, all its containers together. */
const MOST_CONNECTIONS = 1024;
const LONGEST_HEAD = 16 * 1024;
const HEAD_LIMIT_MS = 10_000;
/** How long a connection may stay without a byte. */
const SILENCE_MS = 60 * 60_000;

/**
 * The proxy of one group, not yet listening: CONNECT for anything over TCP, absolute addresses for plain HTTP. It asks
 * nobody who they are: whoever can open the group's socket is of the group.
 */
export function createGroupProxy({ resolve, judge, note }: Dependencies): GroupProxy {
  const tunnels = new Map<Socket, Target>();
  /** Clients that believe to speak to the gateway; by what address they know it. */
  const standIns = new WeakMap<Socket, Target>();
  const server = createServer(
    {
      maxHeaderSize: LONGEST_HEAD,
      headersTimeout: HEAD_LIMIT_MS,
      requestTimeout: 0,
      keepAliveTimeout: 5_000,
    },
    (request, response) => void answerRequest(request, response),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connect', (request, socket, head) => void answerConnect(request, socket as Socket, head));
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
  });

  return {
    server,
    recheck() {
      for (const [socket, target] of tunnels) if (judge(target).way === 'refused') socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of tunnels.keys()) socket.destroy();
      }),
  };

  async function answerConnect(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const target = parseAuthority(request.url ?? '');
    if (!target) return endWith(client, 400, malformed(request));
    tunnels.set(client, target);
    client.once('close', () => tunnels.delete(client));
    try {
      const verdict = judge(target);
      if (verdict.way === 'to-gateway') return standIn(client, head, target);
      const { connection, gateway } = await reach(resolve, target, verdict);
      connection.on('error', () => client.destroy());
      client.once('close', () => connection.destroy());
      if (gateway) await askForTunnel(connection, gateway, target);
      if (client.destroyed) return void connection.destroy();
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) client.unshift(head);
      tell(target, 'allowed', null);
      pipeTunnel(client, connection, target, (reason) => tell(target, 'refused', reason));
    } catch (error) {
      const { status, text } = explain(target, error);
      endWith(client, status, text);
    }
  }

  /**
   * Whoever opens a tunnel to the gateway would use it as the proxy that it is, past the group's list. So this proxy stands
   * in for it: what is asked for within the tunnel is judged like anything else.
   */
  function standIn(client: Socket, head: Buffer, target: Target): void {
    if (standIns.has(client)) throw new NoConnection('refused', 'a tunnel to the gateway within another one');
    standIns.set(client, target);
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) client.unshift(head);
    tell(target, 'allowed', null);
    server.emit('connection', client);
  }

  async function answerRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '' } = request;
    const gateway = standIns.get(request.socket);
    const asked = parseAbsolute(
      gateway && url.startsWith('/') ? `http://${authorityOf(gateway)}${url}` : url,
    );
    if (!asked || !meansOnly(asked, request.rawHeaders)) return answerWith(response, 400, malformed(request));
    try {
      const verdict = judge(asked);
      if (verdict.way === 'to-gateway' && isOperators(asked.path))
        throw new NoConnection('refused', 'that part of the gateway is for its operator');
      const reached = await reach(resolve, asked, verdict);
      if (response.destroyed) return void reached.connection.destroy();
      tell(asked, 'allowed', null);
      await forwardRequest(request, response, asked, reached);
    } catch (error) {
      const { status, text } = explain(asked, error);
      if (response.headersSent) response.destroy();
      else answerWith(response, status, text);
    }
  }

  function tell({ host, port }: Target, outcome: Passage['outcome'], reason: string | null): void {
    note({ host, port, outcome, reason });
  }

  function explain(target: Target, error: unknown): { status: number; text: string } {
    const outcome = error instanceof NoConnection ? error.kind : 'failed';
    const { message } = error as Error;
    tell(target, outcome, message);
    return { status: outcome === 'refused' ? 403 : 502, text: `${authorityOf(target)}: ${message}` };
  }

  function malformed({ method, url, headers }: IncomingMessage): string {
    const asked = `${method} ${url} (Host: ${headers.host ?? '-'})`.slice(0, 200);
    const reason = 'the request does not plainly name one host: CONNECT host:port, or http://host/ is wanted';
    note({ host: asked, port: 0, outcome: 'refused', reason });
    return reason;
  }
}

/**
 * Whether a path of the gateway leads to what the host does there itself, such as approving requests: many gateways ask for
 * no key. What could be read in two ways counts as well.
 */
function isOperators(path: string): boolean {
  const [plain = ''] = path.split('?');
  return /^\/(v\d|api)(\/|$)/i.test(plain) || /[%\\;]|\/\/|\/\.{1,2}(\/|$)/.test(plain);
}

/** A Host header for another host than the address would be for whoever stands behind that address to choose from. */
function meansOnly(asked: Target, rawHeaders: string[]): boolean {
  const named = rawHeaders.filter((_, at) => rawHeaders[at - 1]?.toLowerCase() === 'host' && at % 2 === 1);
  const [target] = named.map((value) => parseAuthority(value, 80));
  return (
    named.length <= 1 && (named.length === 0 || (target?.host === asked.host && target.port === asked.port))
  );
}

function answerWith(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
  response.end(`berth: ${text}\n`);
}

function endWith(client: Socket, status: number, text: string): void {
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
