import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { get } from '../node-http.ts';
import { engineAddress, findEngine } from './docker-address.ts';
import { callWithin } from './docker-call.ts';
import type { FoundImage } from './image-builder.ts';

const LIMIT_MS = 5_000;

const answer = z.object({
  Id: z.string(),
  Size: z.number(),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

/**
 * Asks the engine for one image without loading a client for it, which takes longer than the question.
 * @returns `undefined` when there is no such image.
 * @throws E_ENGINE_UNREACHABLE, E_ENGINE_REFUSED.
 */
export async function findImage(
  dockerHost: string | undefined,
  image: string,
): Promise<FoundImage | undefined> {
  const where = findEngine(dockerHost);
  const path = `/images/${encodeURIComponent(image)}/json`;
  return callWithin({ what: `looking for image ${image}`, where, limitMs: LIMIT_MS }, async (signal) => {
    const { socketPath, host, port } = engineAddress(where);
    const options = {
      ...(socketPath ? { socketPath } : { host, port }),
      path,
      signal,
      agent: false as const,
    };
    const body = await new Promise<string | undefined>((resolve, reject) => {
      get(options, (response) => {
        const { statusCode = 0 } = response;
        text(response).then((json) => {
          if (statusCode === 200) resolve(json);
          else if (statusCode === 404) resolve(undefined);
          else reject(Object.assign(new Error(json.trim()), { statusCode }));
        }, reject);
      }).on('error', reject);
    });
    if (body === undefined) return undefined;
    const { Id: id, Size: size, Config: config } = answer.parse(JSON.parse(body));
    return { id, size, labels: config?.Labels ?? {} };
  });
}
