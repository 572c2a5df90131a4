import type { FastifyInstance } from 'fastify';
import { BerthError } from '../../errors.ts';
import { CHAT_PATH, chatAddress } from './chat-address.ts';
import type { RouteContext } from './route-context.ts';
import { takeRawBodies } from './take-raw-bodies.ts';

/** `DELETE …/chats/{chat}`: 204 once its sessions and files are gone, 404 when there was no such chat. */
export function addChatRoutes(scope: FastifyInstance, { host, streams }: RouteContext): void {
  takeRawBodies(scope); // many callers send a content type with an empty body
  scope.delete(CHAT_PATH, async (request, reply) => {
    const address = chatAddress(request);
    if (!(await host.deleteChat(address))) throw new BerthError('E_NOT_FOUND', 'there is no such chat');
    // Numbers begin anew in a new chat of that name: its readers have to begin anew as well.
    streams.closeChat(address);
    return reply.code(204).send();
  });
}
