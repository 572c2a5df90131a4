import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { answerWith, ESTABLISHED } from './answers.ts';
import { type Asked, isOperators, readAsked } from './asked.ts';
import type { ClientConnection } from './client-connection.ts';
import { NoConnection } from './dial.ts';
import { forwardRequest } from './forward-request.ts';
import { forwardUpgrade } from './forward-upgrade.ts';
import { askForTunnel } from './gateway.ts';
import type { LimitConnections } from './limit-connections.ts';
import { closeAfter, pipeTunnel } from './pipe-tunnel.ts';
import { type Reached, reach } from './reach.ts';
import type { ResolveName } from './resolve-name.ts';
import { authorityOf, parseAuthority, type Target } from './target.ts';
import type { Passage, Verdict } from './verdict.ts';

interface Dependencies {
  resolve: ResolveName;
  limit: LimitConnections;
  judge(target: Target): Verdict;
  note(passage: Passage): void;
  /** Reads what the client says next as requests to this proxy. */
  readRequests(socket: Socket): void;
}

/** What becomes of each kind of request. All of them end with what was asked for, and reject where something is wrong in here. */
interface Answers {
  connect(client: ClientConnection, request: IncomingMessage, head: Buffer): Promise<void>;
  request(client: ClientConnection, request: IncomingMessage, response: ServerResponse): Promise<void>;
  upgrade(client: ClientConnection, request: IncomingMessage, head: Buffer): Promise<void>;
}

export function createAnswers({ resolve, limit, judge, note, readRequests }: Dependencies): Answers {
  return {
    async connect(client, request, head) {
      const target = parseAuthority(request.url ?? '');
      if (!target) return client.endWith(400, malformed(request));
      await client.exchange(target, async ({ signal, join }) => {
        let connection: Socket | undefined;
        try {
          connection = await client.unlessItEnds(openTunnel(client, target, signal));
        } catch (error) {
          return client.endWith(...explain(target, error, signal));
        }
        client.socket.write(ESTABLISHED);
        if (head.length > 0) client.socket.unshift(head);
        tell(target, 'allowed', null);
        if (!connection) {
          readRequests(client.socket);
          return await client.closed;
        }
        joinTunnel(client, connection, target);
        await join(connection);
      });
    },
    async request(client, request, response) {
      const asked = readAsked(request, client.standsInFor);
      if (!asked) return answerWith(response, 400, malformed(request));
      await client.exchange(asked, async ({ signal }) => {
        let answer: IncomingMessage;
        try {
          const reached = await reachAsked(asked, signal);
          answer = await forwardRequest(request, response, asked, reached);
        } catch (error) {
          return answerWith(response, ...explain(asked, error, signal));
        }
        await handOn(answer, response, signal);
        client.hearOut(request);
      });
    },
    async upgrade(client, request, head) {
      const asked = readAsked(request, client.standsInFor);
      if (!asked) return client.endWith(400, malformed(request));
      await client.exchange(asked, async ({ signal, join }) => {
        let answer: IncomingMessage | undefined;
        let connection: Socket;
        try {
          const reached = await client.unlessItEnds(reachAsked(asked, signal));
          connection = reached.connection;
          answer = await forwardUpgrade(request, { client: client.socket, head }, asked, reached);
        } catch (error) {
          return client.endWith(...explain(asked, error, signal));
        }
        if (!answer) {
          closeWith(client.socket, connection);
          return await join(connection);
        }
        await handOn(answer, client.socket, signal);
        client.endSoon();
      });
    },
  };

  /** @returns nothing where this proxy is the other end itself. @throws NoConnection. */
  async function openTunnel(
    client: ClientConnection,
    target: Target,
    signal: AbortSignal,
  ): Promise<Socket | undefined> {
    const verdict = judge(target);
    if (verdict.way === 'to-gateway') return void becomeStandIn(client, target);
    const { connection, gateway } = await reach({ resolve, limit, signal }, target, verdict);
    if (gateway) await askForTunnel(connection, gateway, target);
    return connection;
  }

  function joinTunnel(client: ClientConnection, connection: Socket, target: Target): void {
    pipeTunnel(client.socket, connection, target, {
      onRefused: (reason) => tell(target, 'refused', reason),
      onRequest: () => client.run(async () => judgeRequests(client, target)),
    });
  }

  function judgeRequests(client: ClientConnection, target: Target): void {
    try {
      becomeStandIn(client, target);
    } catch (error) {
      explain(target, error);
      return void client.socket.destroy();
    }
    readRequests(client.socket);
  }

  /**
   * Whoever opens a tunnel to the gateway would use it as the proxy that it is, past the group's list; whoever speaks HTTP in
   * a tunnel may name another host in each request. So this proxy stands in: what is asked for within is judged like anything else.
   * @throws NoConnection.
   */
  function becomeStandIn(client: ClientConnection, target: Target): void {
    if (client.standsInFor) throw new NoConnection('refused', 'a tunnel within another one');
    client.standsInFor = target;
  }

  async function reachAsked(asked: Asked, signal: AbortSignal): Promise<Reached> {
    const verdict = judge(asked);
    if (verdict.way === 'to-gateway' && isOperators(asked.path))
      throw new NoConnection('refused', 'that part of the gateway is for its operator');
    const reached = await reach({ resolve, limit, signal }, asked, verdict);
    tell(asked, 'allowed', null);
    return reached;
  }

  function tell({ host, port }: Target, outcome: Passage['outcome'], reason: string | null): void {
    note({ host, port, outcome, reason });
  }

  function explain(target: Target, error: unknown, signal?: AbortSignal): [status: number, text: string] {
    const message = signal?.aborted ? 'nobody waits for it any more' : (error as Error).message;
    const { kind, status } = error instanceof NoConnection ? error : new NoConnection('failed', message);
    tell(target, kind, message);
    return [status, `${authorityOf(target)}: ${message}`];
  }

  function malformed({ method, url, headers }: IncomingMessage): string {
    const asked = `${method} ${url} (Host: ${headers.host ?? '-'})`.slice(0, 200);
    const reason = 'the request does not plainly name one host: CONNECT host:port, or http://host/ is wanted';
    note({ host: asked, port: 0, outcome: 'refused', reason });
    return reason;
  }
}

/** To its end, or until one of both breaks: that one takes the other with it. */
async function handOn(answer: IncomingMessage, to: Writable, signal: AbortSignal): Promise<void> {
  await pipeline(answer, to, { signal }).catch(() => to.destroy());
}

function closeWith(client: Socket, connection: Socket): void {
  connection.on('error', () => closeAfter(connection, client));
  client.once('close', () => closeAfter(client, connection));
}
