import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { asBerthError, BerthError, type ErrorCode } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { STATUS_CODES } from '../../node-http.ts';
import { drainRequest } from './drain-request.ts';

/** The one form in which the HTTP channel tells an error. */
interface ErrorAnswer {
  error: { code: ErrorCode; message: string };
}

/** Answers whatever a route, a hook or Fastify itself threw; what is the host's fault is logged. */
export function createErrorHandler(
  log: Logger,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (error, request, reply) => {
    const { known, status } = classify(error);
    if (status >= 500 && known.code !== 'E_STOPPING') {
      log.error(
        { err: known, code: known.code, method: request.method, route: request.routeOptions?.url },
        'request failed',
      );
    }
    // Fastify asks for an immediate close when a body is refused, and so may the caller have done.
    reply.removeHeader('connection');
    if (!reply.raw.shouldKeepAlive) await drainRequest(request.raw);
    reply.code(status).send(answerOf(known));
  };
}

/** Answers what is not even a request: broken syntax, headers that are too long or come too slowly. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { known, status } = classifyClientError(error);
  const body = JSON.stringify(answerOf(known));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.destroySoon();
}

function answerOf({ code, message }: BerthError): ErrorAnswer {
  return { error: { code, message } };
}

function classify(error: unknown): { known: BerthError; status: number } {
  const {
    code,
    statusCode = 500,
    message,
  } = (error ?? {}) as { code?: string; statusCode?: number; message?: string };
  // Only Fastify's own refusals: a container engine's errors bear a `statusCode` as well.
  if (!code?.startsWith('FST_') || statusCode >= 500) {
    const known = asBerthError(error);
    return { known, status: known.status };
  }
  if (statusCode === 413) return refusal('E_TOO_LARGE', 413, 'the body is larger than 1 MiB', error);
  if (statusCode === 415) {
    return refusal(
      'E_BAD_REQUEST',
      415,
      'the body has to be JSON, sent with Content-Type: application/json',
      error,
    );
  }
  return refusal('E_BAD_REQUEST', statusCode, message ?? 'the request is not valid', error);
}

function classifyClientError(error: Error & { code?: string }): { known: BerthError; status: number } {
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return refusal('E_TOO_LARGE', 431, 'the address and headers are too long', error);
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return refusal('E_BAD_REQUEST', 408, 'the request came too slowly', error);
  return refusal('E_BAD_REQUEST', 400, 'this is not valid HTTP', error);
}

function refusal(
  code: ErrorCode,
  status: number,
  message: string,
  cause: unknown,
): { known: BerthError; status: number } {
  return { known: new BerthError(code, message, cause), status };
}
