import { isAbsolute } from 'node:path';
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { BerthError } from '../errors.ts';
import { prepareBackupFolder, runBackup } from '../recovery/back-up.ts';

const order = z.strictObject({ folder: z.string().refine(isAbsolute) });

/** `POST /backup` of the operator's socket: one line of JSON per event. It ends when the operator leaves. */
export function addBackupRoutes(
  server: FastifyInstance,
  folders: { dataDir: string; groupsDir: string },
): void {
  server.post('/backup', async ({ body }, reply) => {
    const { success, data } = order.safeParse(body);
    if (!success) throw new BerthError('E_BAD_REQUEST', 'body: {"folder": "/an/absolute/path"} is wanted');
    const places = { ...folders, folder: data.folder };
    prepareBackupFolder(places);
    const out = new PassThrough();
    const leave = new AbortController();
    reply.raw.once('close', () => leave.abort());
    const write = (event: object) => void (out.destroyed || out.write(`${JSON.stringify(event)}\n`));
    void runBackup(places, write, leave.signal).finally(() => out.end());
    return reply.type('application/x-ndjson').send(out);
  });
}
