import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ChatAddress, ChatEvent, Host } from '../channel.ts';
import { CHAT_PATH, chatAddress } from './chat-address.ts';
import { eventData } from './event-data.ts';
import { eventNumber } from './event-number.ts';
import { parseRequest } from './parse-request.ts';
import type { RouteContext } from './route-context.ts';

/** Events read at once, so that a page of long texts does not fill the memory. */
const READ_AT_ONCE = 50;
/** A page ends early once its texts are so long, in characters. */
const PAGE_CHARACTERS = 4 * 1024 * 1024;

const incoming = z.strictObject({
  id: z.string().optional(),
  sender: z.strictObject({ id: z.string(), name: z.string().optional() }).optional(),
  thread: z.string().nullable().optional(),
  text: z.string(),
  files: z.array(z.strictObject({ upload: z.string(), name: z.string() })).optional(),
  answers: z.string().optional(),
});

const pageQuery = z.object({
  after: eventNumber.default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** `POST …/messages`: 202 once the message is durable, 200 when it was before. `GET …/messages`: what was said. */
export function addMessageRoutes(server: FastifyInstance, { host }: RouteContext): void {
  server.post(`${CHAT_PATH}/messages`, async (request, reply) => {
    const body = parseRequest(incoming, request.body, 'body');
    const { message, session, duplicate } = await host.accept({ ...body, ...chatAddress(request) });
    return reply.code(duplicate ? 200 : 202).send({ message, session });
  });

  server.get(`${CHAT_PATH}/messages`, async (request) => {
    const { after, limit } = parseRequest(pageQuery, request.query, 'query');
    const { events, last } = readPage(host, chatAddress(request), after, limit);
    return { events: events.map((event) => ({ type: event.type, ...eventData(event) })), last };
  });
}

/** `last` is where the next page begins: the number of the last event given, or the `after` that was asked for. */
function readPage(
  host: Host,
  address: ChatAddress,
  after: number,
  limit: number,
): { events: ChatEvent[]; last: number } {
  const events: ChatEvent[] = [];
  let last = after;
  let characters = 0;
  while (events.length < limit && characters < PAGE_CHARACTERS) {
    const page = host.events(address, last, Math.min(READ_AT_ONCE, limit - events.length));
    // Past the newest (the chat was deleted and began anew): the caller is told where it stands.
    if (page.events.length === 0) return { events, last: Math.min(last, page.last) };
    events.push(...page.events);
    characters += page.events.reduce((sum, event) => sum + event.text.length, 0);
    last = page.events.at(-1)?.event ?? last;
  }
  return { events, last };
}
