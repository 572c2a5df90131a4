import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import type { ApprovalsDoor } from '../ledger/approvals.ts';

const order = z.strictObject({ id: z.string().max(200) });

/** `GET /approvals`, `POST /approvals/approve` and `POST /approvals/deny` of the operator's socket. */
export function addApprovalRoutes(server: FastifyInstance, approvals: ApprovalsDoor): void {
  server.get<{ Querystring: { all?: string } }>('/approvals', async ({ query }) => ({
    approvals: approvals.list({ all: query.all === '1' }),
  }));
  for (const [kind, status] of [
    ['approve', 'approved'],
    ['deny', 'denied'],
  ] as const) {
    server.post(`/approvals/${kind}`, async ({ body }) => {
      const { success, data } = order.safeParse(body);
      if (!success) throw new BerthError('E_BAD_REQUEST', 'body: {"id": "…"} is wanted');
      await approvals.decide(data.id, status);
      return {};
    });
  }
}
