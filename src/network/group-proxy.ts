import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, ServerResponse } from '../node-http.ts';
import { ClientConnection, PATIENCE, type Patience } from './client-connection.ts';
import type { LimitConnections } from './limit-connections.ts';
import type { ResolveName } from './resolve-name.ts';
import { createAnswers } from './serve-client.ts';
import type { Target } from './target.ts';
import type { Passage, Verdict } from './verdict.ts';

interface Dependencies {
  resolve: ResolveName;
  limit: LimitConnections;
  /** Asked for each request anew, so that an edit holds at once. */
  judge(target: Target): Verdict;
  note(passage: Passage): void;
  /** Told what went wrong that must not; it has ended one client's connection at most. */
  report(error: unknown): void;
  patience?: Patience;
}

export interface GroupProxy {
  server: Server;
  /** Cuts whoever has something under way with a host that is no longer allowed. */
  recheck(): void;
  close(): Promise<void>;
}

/** Of all who come to this one address. */
const MOST_CONNECTIONS = 1024;
const LONGEST_HEAD = 16 * 1024;
const HEAD_LIMIT_MS = 10_000;

/**
 * The proxy of one group, not yet listening: CONNECT for anything over TCP, absolute addresses for plain HTTP. It asks
 * nobody who they are: whoever can open the group's socket is of the group.
 */
export function createGroupProxy(deps: Dependencies): GroupProxy {
  const { judge, report, patience = PATIENCE } = deps;
  const clients = new Map<Socket, ClientConnection>();
  const server = createServer({
    maxHeaderSize: LONGEST_HEAD,
    headersTimeout: HEAD_LIMIT_MS,
    requestTimeout: 0,
    keepAliveTimeout: 5_000,
    // What else may be asked for (HTTP/2, UDP), a server may leave out.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    ServerResponse: class extends ServerResponse {
      constructor(...made: ConstructorParameters<typeof ServerResponse>) {
        super(...made);
        clientOf(made[0].socket).owe(this);
      }
    },
  });
  server.maxConnections = MOST_CONNECTIONS;
  // No bound but that of the head: some versions of Node hide what is beyond it, and go by it all the same.
  server.maxHeadersCount = 0;
  // Whoever has said all they have to say may still listen. Node's types do not know of it.
  Object.assign(server, { httpAllowHalfOpen: true });
  const answers = createAnswers({ ...deps, readRequests: (socket) => server.emit('connection', socket) });
  // For one, there may be no file descriptor left for whoever comes.
  server.once('listening', () => server.on('error', report));
  server.on('connection', (socket: Socket) => void clientOf(socket));
  server.on('request', (request, response) => {
    const client = clientOf(request.socket);
    client.runInTurn(response, () => answers.request(client, request, response));
  });
  server.on('connect', (request, socket, head) =>
    leaveHttp(socket as Socket, (client) => answers.connect(client, request, head)),
  );
  server.on('upgrade', (request, socket, head) =>
    leaveHttp(socket as Socket, (client) => answers.upgrade(client, request, head)),
  );

  return {
    server,
    recheck() {
      const isRefused = (target: Target) => judge(target).way === 'refused';
      for (const client of clients.values()) if (client.targets.some(isRefused)) client.cut();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients.values()) client.cut();
      }),
  };

  function clientOf(socket: Socket): ClientConnection {
    const known = clients.get(socket);
    if (known) return known;
    const onOver = () => void clients.delete(socket);
    const client = new ClientConnection(socket, { patience, report, onOver });
    clients.set(socket, client);
    return client;
  }

  /** Node forgets what answers are still owed, and they would come into the midst of what follows. Nobody honest asks like that. */
  function leaveHttp(socket: Socket, answer: (client: ClientConnection) => Promise<void>): void {
    const client = clientOf(socket);
    if (client.owesAnswers) socket.destroy();
    else client.run(() => answer(client));
  }
}
