import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import type { SchedulesDoor } from '../ledger/schedule-reads.ts';

const order = z.strictObject({ ids: z.array(z.string().max(200)).min(1).max(10_000) });

/** `GET /schedules` and `POST /schedules/cancel` of the operator's socket. */
export function addScheduleRoutes(server: FastifyInstance, schedules: SchedulesDoor): void {
  server.get('/schedules', async () => ({ schedules: schedules.list() }));
  server.post('/schedules/cancel', async ({ body }) => {
    const { success, data } = order.safeParse(body);
    if (!success) throw new BerthError('E_BAD_REQUEST', 'body: {"ids": ["sch_…"]} is wanted');
    await schedules.cancel(data.ids);
    return {};
  });
}
