import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { CHAT_PATH, chatAddress } from './chat-address.ts';
import { limitBody } from './limit-body.ts';
import { parseRequest } from './parse-request.ts';
import type { RouteContext } from './route-context.ts';
import { takeRawBodies } from './take-raw-bodies.ts';

const uploadQuery = z.object({ name: z.string() });

/** `POST …/uploads?name=`: the raw body, streamed to the host. 413 past the limit, and then nothing is kept. */
export function addUploadRoutes(scope: FastifyInstance, { host, maxFileBytes }: RouteContext): void {
  takeRawBodies(scope);
  scope.post(`${CHAT_PATH}/uploads`, async (request, reply) => {
    const { name } = parseRequest(uploadQuery, request.query, 'name');
    const upload = await host.upload(chatAddress(request), name, limitBody(request.raw, maxFileBytes));
    return reply.code(201).send({ upload });
  });
}
