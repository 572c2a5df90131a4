import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { SessionView } from '../channels/channel.ts';
import { createFastify } from '../create-fastify.ts';
import type { OutboxDoor } from '../delivery/order-outbox.ts';
import type { Engine } from '../engines/engine.ts';
import { asBerthError, BerthError } from '../errors.ts';
import type { GroupEntry } from '../groups/group-registry.ts';
import type { GroupImages } from '../images/group-images.ts';
import type { ApprovalsDoor } from '../ledger/approvals.ts';
import type { SchedulesDoor } from '../ledger/schedule-reads.ts';
import type { Logger } from '../log.ts';
import type { TrafficLine } from '../network/traffic-book.ts';
import { createServer } from '../node-http.ts';
import type { Why } from '../recovery/explain-wait.ts';
import type { Release } from '../release-stack.ts';
import { addApprovalRoutes } from './approval-routes.ts';
import { addBackupRoutes } from './backup-routes.ts';
import { addImageRoutes } from './image-routes.ts';
import { addOutboxRoutes } from './outbox-routes.ts';
import { addScheduleRoutes } from './schedule-routes.ts';
import { socketPath } from './socket-path.ts';

/** How many containers there are, how many there may be, and how many sessions wait for one. */
interface Places {
  taken: number;
  most: number;
  waiting: number;
}

/** What the operator's commands can ask of a running host. */
export interface HostFacts {
  images: GroupImages;
  pid: number;
  startedAt: number;
  engine: Engine;
  dataDir: string;
  groupsDir: string;
  groups(): GroupEntry[];
  /** Resolves once every `group.yaml` that was saved before is in force. */
  reloadGroups(): Promise<void>;
  sessions(): SessionView[];
  places(): Places;
  /** @throws E_SESSION_UNKNOWN. */
  session(id: string): SessionView;
  outbox: OutboxDoor;
  /** Why there is no reply in a session. @throws E_SESSION_UNKNOWN. */
  why(session: string): Promise<Why>;
  /** What failed in a session is tried at once. @returns how many messages wait. */
  retryNow(session: string): Promise<number>;
  schedules: SchedulesDoor;
  approvals: ApprovalsDoor;
  /** Who of a group went where, the newest first. */
  traffic(group: string): TrafficLine[];
}

/** The answer to `GET /status`. */
export interface StatusAnswer {
  pid: number;
  startedAt: number;
  engine: { kind: string; contains: boolean; version: string | null; error: string | null };
  dataDir: string;
  groups: { folder: string; name: string | null; provider: string | null; error: string | null }[];
  places: Places;
  sessions: SessionView[];
}

/** Listens on the operator's socket. What answers there is made when it is first asked: no start waits for it. @returns the release. */
export async function serveOperator(facts: HostFacts, log: Logger): Promise<Release> {
  let routes: Promise<FastifyInstance> | undefined;
  const server = createServer(async (request, response) => {
    routes ??= buildRoutes(facts, log);
    (await routes).routing(request, response);
  });
  const path = socketPath(facts.dataDir);
  // The data folder's lock is ours: a socket that lies there is a dead host's.
  await rm(path, { force: true });
  await once(server.listen({ path }), 'listening');
  await chmod(path, 0o600);
  return async () => {
    server.close();
    server.closeAllConnections();
    await (await routes)?.close();
    await rm(path, { force: true });
  };
}

async function buildRoutes(facts: HostFacts, log: Logger): Promise<FastifyInstance> {
  const server = createFastify({});
  server.setErrorHandler(async (error, _request, reply) => {
    const { code, message, status, remedy } = asBerthError(error);
    if (code === 'E_INTERNAL') log.error({ err: error }, 'operator request failed');
    return reply.status(status).send({ error: { code, message, remedy } });
  });
  server.get('/status', () => status(facts));
  server.get<{ Querystring: { session?: string; follow?: string; lines?: string } }>(
    '/logs',
    async ({ query }, reply) => {
      const view = facts.session(query.session ?? '');
      if (view.container === null)
        throw new BerthError(
          'E_NO_CONTAINER',
          `session "${view.id}" has no container now: it is ${view.state}`,
        );
      const lines = Number(query.lines ?? 100);
      if (query.follow !== '1') return { lines: await facts.engine.tail(view.container, lines) };
      const out = new PassThrough();
      const release = await facts.engine.follow(
        view.container,
        lines,
        (line) => out.write(`${line}\n`),
        () => out.end(),
      );
      reply.raw.once('close', () => void release());
      return reply.type('text/plain; charset=utf-8').send(out);
    },
  );
  server.get<{ Querystring: { session?: string } }>('/why', ({ query }) => facts.why(query.session ?? ''));
  server.post<{ Querystring: { session?: string } }>('/retry', async ({ query }) => {
    const { id } = facts.session(query.session ?? '');
    return { waiting: await facts.retryNow(id) };
  });
  server.get<{ Querystring: { group?: string } }>('/network', async ({ query: { group = '' } }) => {
    if (!facts.groups().some(({ folder }) => folder === group))
      throw new BerthError('E_GROUP_UNKNOWN', `there is no group ${JSON.stringify(group.slice(0, 80))}`);
    return { traffic: facts.traffic(group) };
  });
  addOutboxRoutes(server, facts.outbox);
  addScheduleRoutes(server, facts.schedules);
  addApprovalRoutes(server, facts.approvals);
  addImageRoutes(server, facts.images, facts.reloadGroups);
  addBackupRoutes(server, facts);
  await server.ready();
  return server;
}

async function status(facts: HostFacts): Promise<StatusAnswer> {
  const { pid, startedAt, dataDir, engine } = facts;
  const checked = await engine.check().then(
    (version) => ({ version, error: null }),
    (error: Error) => ({ version: null, error: error.message }),
  );
  return {
    pid,
    startedAt,
    dataDir,
    engine: { kind: engine.kind, contains: engine.contains, ...checked },
    groups: facts.groups().map(({ folder, group, error }) => ({
      folder,
      name: group?.name ?? null,
      provider: group?.agent.provider ?? null,
      error: error?.message ?? null,
    })),
    places: facts.places(),
    sessions: facts.sessions(),
  };
}
