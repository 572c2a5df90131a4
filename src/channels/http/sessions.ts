import type { FastifyInstance } from 'fastify';
import { param } from './chat-address.ts';
import type { RouteContext } from './route-context.ts';

/** `GET /v1/sessions` and `GET /v1/sessions/{id}`: what the host knows of its sessions. */
export function addSessionRoutes(server: FastifyInstance, { host }: RouteContext): void {
  server.get('/v1/sessions', async () => ({ sessions: host.sessions() }));
  server.get('/v1/sessions/:id', async (request) => host.session(param(request, 'id')));
}
