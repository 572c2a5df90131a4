import type { FastifyInstance } from 'fastify';
import { asBerthError, errorKinds } from '../../errors.ts';
import type { RouteContext } from './route-context.ts';

/** `GET /healthz` and `GET /readyz`, without a token, for whoever supervises the host. */
export function addHealthRoutes(server: FastifyInstance, { host }: RouteContext): void {
  // One look at the engine at a time, however many ask: nobody needs a token to ask.
  let look: Promise<void> | undefined;

  server.get('/healthz', { config: { open: true } }, async () => ({ status: 'ok' }));

  server.get('/readyz', { config: { open: true } }, async (_request, reply) => {
    try {
      look ??= host.ready().finally(() => {
        look = undefined;
      });
      await look;
      return { status: 'ready' };
    } catch (error) {
      // The general cause, not the message: that may name paths and addresses.
      const { code } = asBerthError(error);
      return reply.code(503).send({ error: { code, message: errorKinds[code].cause } });
    }
  });
}
