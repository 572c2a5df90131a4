import type { FastifyInstance, FastifyRequest } from 'fastify';
import { CHAT_PATH, chatAddress } from './chat-address.ts';
import { eventNumber } from './event-number.ts';
import { parseRequest } from './parse-request.ts';
import type { RouteContext } from './route-context.ts';

/** `GET …/events`: server-sent events, resumed by `Last-Event-ID` or `?after=`. 400 when that is no number. */
export function addEventRoutes(server: FastifyInstance, { host, streams }: RouteContext): void {
  // No HEAD: it would be an open stream without anything in it.
  server.get(`${CHAT_PATH}/events`, { exposeHeadRoute: false }, (request, reply) => {
    const after = resumeAfter(request);
    streams.open(reply.raw, host, chatAddress(request), after);
    reply.hijack();
  });
}

/** The header wins: a browser that reconnects repeats the address it was given, with its old `after`. */
function resumeAfter(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id'];
  if (header !== undefined) return parseRequest(eventNumber, header, 'Last-Event-ID');
  const { after } = request.query as { after?: unknown };
  return after === undefined ? undefined : parseRequest(eventNumber, after, 'after');
}
