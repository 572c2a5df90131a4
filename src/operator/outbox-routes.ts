import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { OutboxDoor } from '../delivery/order-outbox.ts';
import { BerthError } from '../errors.ts';

const order = z.strictObject({ events: z.array(z.int().positive()).min(1).max(10_000) });

/** `GET /outbox`, `POST /outbox/resend` and `POST /outbox/drop` of the operator's socket. */
export function addOutboxRoutes(server: FastifyInstance, outbox: OutboxDoor): void {
  server.get<{ Querystring: { all?: string } }>('/outbox', async ({ query }) => ({
    events: outbox.list({ all: query.all === '1' }),
  }));
  for (const kind of ['resend', 'drop'] as const) {
    server.post(`/outbox/${kind}`, async ({ body }) => {
      const { success, data } = order.safeParse(body);
      if (!success) throw new BerthError('E_BAD_REQUEST', 'body: {"events": [1, 2]} is wanted');
      await outbox[kind](data.events);
      return {};
    });
  }
}
