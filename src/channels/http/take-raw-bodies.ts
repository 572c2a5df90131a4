import type { FastifyInstance } from 'fastify';

/** In this scope bodies of any type, and of none, are left unread for the route. */
export function takeRawBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
  scope.addHook('onRequest', async (request) => {
    // Fastify refuses a malformed type before it asks for a parser; here the type means nothing.
    delete request.raw.headers['content-type'];
  });
}
