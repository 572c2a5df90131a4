import type { Server } from 'node:http';
import { type FastifyHttpOptions, type FastifyInstance, fastify } from 'fastify';

/** Routes of ours bear no schemas of Fastify's: `zod` judges what comes in. */
function noSchemas(): never {
  throw new Error('a route has a schema: its compilers are left out');
}

/**
 * A Fastify server that logs nothing by itself. The compilers of its schemas are not loaded: an eighth of the modules
 * of a host (docs/decisions/quick-start.md).
 */
export function createFastify(options: FastifyHttpOptions<Server>): FastifyInstance {
  return fastify({
    logger: false,
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    ...options,
  });
}
