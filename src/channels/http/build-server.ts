import type { FastifyInstance } from 'fastify';
import { createFastify } from '../../create-fastify.ts';
import { BerthError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { answerClientError, createErrorHandler } from './answer-error.ts';
import { createAuthorizer } from './authorize.ts';
import { addChatRoutes } from './chats.ts';
import { drainRequest } from './drain-request.ts';
import { addEventRoutes } from './events.ts';
import { addFileRoutes } from './files.ts';
import { addHealthRoutes } from './health.ts';
import { addMessageRoutes } from './messages.ts';
import type { RouteContext } from './route-context.ts';
import { addSessionRoutes } from './sessions.ts';
import { addUploadRoutes } from './uploads.ts';

/** Largest JSON body in bytes. */
const MAX_JSON_BYTES = 1024 * 1024;
/** Longest request line with headers in bytes: an id of 10 KB, percent-encoded, still gets its proper answer. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Time for the headers of a request to arrive, in milliseconds. */
const HEADERS_TIMEOUT_MS = 20_000;
/** Time for a whole request to arrive: an upload over a slow line takes a while. */
const REQUEST_TIMEOUT_MS = 15 * 60_000;
/** A connection on which nothing moves for so long is closed; readers of events get a comment more often. */
const SILENCE_TIMEOUT_MS = 2 * 60_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True: the route answers without a token. */
    open?: boolean;
  }
}

interface ServerOptions extends RouteContext {
  token: string;
  log: Logger;
  isClosing: () => boolean;
}

/** The Fastify server with all routes, not listening yet. Nothing of a request but method, route and error is logged. */
export function buildServer(options: ServerOptions): FastifyInstance {
  const answerError = createErrorHandler(options.log);
  const server = createFastify({
    bodyLimit: MAX_JSON_BYTES,
    connectionTimeout: SILENCE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES },
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    return503OnClosing: false, // its body is not of our form; the hook below answers
    clientErrorHandler: answerClientError,
    frameworkErrors: answerError,
  });
  server.setErrorHandler(answerError);
  server.setNotFoundHandler(() => {
    throw new BerthError('E_NOT_FOUND', 'there is no such address');
  });
  server.removeContentTypeParser('text/plain');
  addHooks(server, options);

  addHealthRoutes(server, options);
  addMessageRoutes(server, options);
  addEventRoutes(server, options);
  addFileRoutes(server, options);
  addSessionRoutes(server, options);
  // In scopes of their own: their bodies are not JSON.
  server.register(async (scope) => addUploadRoutes(scope, options));
  server.register(async (scope) => addChatRoutes(scope, options));
  return server;
}

function addHooks(server: FastifyInstance, { token, isClosing }: ServerOptions): void {
  const authorize = createAuthorizer(token);
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    if (isClosing()) throw new BerthError('E_STOPPING', 'the host is shutting down');
    if (request.routeOptions.config.open) return;
    try {
      authorize(request.headers.authorization);
    } catch (error) {
      reply.header('www-authenticate', 'Bearer');
      throw error;
    }
  });
  server.addHook('onSend', async (_request, reply) => {
    // A connection that is kept alive would keep the server from closing.
    if (isClosing()) reply.header('connection', 'close');
  });
  server.addHook('onResponse', async (request) => {
    // A body that nobody read: its caller may keep the connection if it comes to an end.
    if (!(await drainRequest(request.raw))) request.raw.destroy();
  });
}
