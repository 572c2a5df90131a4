import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createServer } from '../node-http.ts';
import { answerWith, ESTABLISHED, endWith } from './answers.ts';
import { type Asked, isOperators, readAsked } from './asked.ts';
import { NoConnection } from './dial.ts';
import { forwardRequest } from './forward-request.ts';
import { forwardUpgrade } from './forward-upgrade.ts';
import { askForTunnel } from './gateway.ts';
import { closeAfter, pipeTunnel } from './pipe-tunnel.ts';
import { type Reached, reach } from './reach.ts';
import type { ResolveName } from './resolve-name.ts';
import { authorityOf, parseAuthority, type Target } from './target.ts';
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
  /** What has left HTTP behind: tunnels and WebSockets. */
  const tunnels = new Map<Socket, Target>();
  /** Clients that believe to speak to a host, and speak to this proxy; by the address of that host. */
  const standIns = new WeakMap<Socket, Target>();
  const server = createServer(
    {
      maxHeaderSize: LONGEST_HEAD,
      headersTimeout: HEAD_LIMIT_MS,
      requestTimeout: 0,
      keepAliveTimeout: 5_000,
      // What else may be asked for (HTTP/2, UDP), a server may leave out.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    (request, response) => void answerRequest(request, response),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connect', (request, socket, head) => void answerConnect(request, socket as Socket, head));
  server.on('upgrade', (request, socket, head) => void answerUpgrade(request, socket as Socket, head));
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
    keepTrackOf(client, target);
    try {
      const verdict = judge(target);
      if (verdict.way === 'to-gateway') {
        becomeStandIn(client, target);
        establish(client, head, target);
        return void server.emit('connection', client);
      }
      const { connection, gateway } = await reach(resolve, target, verdict);
      closeWith(client, connection);
      if (gateway) await askForTunnel(connection, gateway, target);
      if (client.destroyed) return void connection.destroy();
      establish(client, head, target);
      pipeTunnel(client, connection, target, {
        onRefused: (reason) => tell(target, 'refused', reason),
        onRequest: () => judgeRequests(client, target),
      });
    } catch (error) {
      const { status, text } = explain(target, error);
      endWith(client, status, text);
    }
  }

  function establish(client: Socket, head: Buffer, target: Target): void {
    client.write(ESTABLISHED);
    if (head.length > 0) client.unshift(head);
    tell(target, 'allowed', null);
  }

  /**
   * Whoever opens a tunnel to the gateway would use it as the proxy that it is, past the group's list; whoever speaks HTTP in
   * a tunnel may name another host in each request. So this proxy stands in: what is asked for within is judged like anything else.
   * @throws NoConnection.
   */
  function becomeStandIn(client: Socket, target: Target): void {
    if (standIns.has(client)) throw new NoConnection('refused', 'a tunnel within another one');
    standIns.set(client, target);
  }

  function judgeRequests(client: Socket, target: Target): void {
    try {
      becomeStandIn(client, target);
      server.emit('connection', client);
    } catch (error) {
      explain(target, error);
      client.destroy();
    }
  }

  async function answerRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readAsked(request, standIns.get(request.socket));
    if (!asked) return answerWith(response, 400, malformed(request));
    try {
      const reached = await reachAsked(asked);
      if (response.destroyed) return void reached.connection.destroy();
      tell(asked, 'allowed', null);
      await forwardRequest(request, response, asked, reached);
    } catch (error) {
      const { status, text } = explain(asked, error);
      if (response.headersSent) response.destroy();
      else answerWith(response, status, text);
    }
  }

  async function answerUpgrade(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    const asked = readAsked(request, standIns.get(client));
    if (!asked) return endWith(client, 400, malformed(request));
    keepTrackOf(client, asked);
    try {
      const reached = await reachAsked(asked);
      closeWith(client, reached.connection);
      if (client.destroyed) return void reached.connection.destroy();
      tell(asked, 'allowed', null);
      await forwardUpgrade(request, { client, head }, asked, reached);
    } catch (error) {
      const { status, text } = explain(asked, error);
      endWith(client, status, text);
    }
  }

  async function reachAsked(asked: Asked): Promise<Reached> {
    const verdict = judge(asked);
    if (verdict.way === 'to-gateway' && isOperators(asked.path))
      throw new NoConnection('refused', 'that part of the gateway is for its operator');
    return await reach(resolve, asked, verdict);
  }

  function keepTrackOf(client: Socket, target: Target): void {
    tunnels.set(client, target);
    client.once('close', () => tunnels.delete(client));
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

function closeWith(client: Socket, connection: Socket): void {
  connection.on('error', () => closeAfter(connection, client));
  client.once('close', () => closeAfter(client, connection));
}
