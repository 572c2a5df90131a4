import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { BerthError } from '../errors.ts';
import { buildGroups } from '../images/build-groups.ts';
import { cancelled } from '../images/build-queue.ts';
import type { GroupImages } from '../images/group-images.ts';
import type { ImagesNow } from '../images/list-images.ts';

/**
 * The operator's requests about images, answered by a running host.
 * @param reload puts in force what was saved before: an operator saves and builds.
 */
export function addImageRoutes(
  server: FastifyInstance,
  images: GroupImages,
  reload: () => Promise<void>,
): void {
  server.post<{ Querystring: { group?: string | string[]; afresh?: string } }>(
    '/images/build',
    async ({ query }, reply) => {
      const folders = [query.group ?? []].flat();
      if (folders.length === 0) throw new BerthError('E_BAD_REQUEST', 'no group is named');
      const out = new PassThrough();
      const leave = new AbortController();
      // An operator who leaves wants it no more; whoever else waits for the same build is given it all the same.
      reply.raw.once('close', () => leave.abort(cancelled('the operator has left')));
      await reload();
      const ask = { afresh: query.afresh === '1', signal: leave.signal };
      void buildGroups(images, folders, ask, (event) => {
        if (!out.destroyed) out.write(`${JSON.stringify(event)}\n`);
      }).finally(() => out.end());
      return reply.type('application/x-ndjson').send(out);
    },
  );

  server.get('/images', (): ImagesNow => ({ pending: images.pending(), problems: images.problems() }));

  server.post<{ Querystring: { group?: string } }>('/images/rollback', async ({ query }) => {
    await reload();
    return images.rollback(query.group ?? '');
  });

  server.post<{ Querystring: { all?: string } }>('/images/prune', async ({ query }) =>
    images.prune(query.all === '1'),
  );
}
