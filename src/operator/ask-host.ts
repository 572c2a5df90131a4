import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { BerthError, type ErrorCode } from '../errors.ts';
import { request } from '../node-http.ts';
import { socketPath } from './socket-path.ts';

/**
 * Asks the running host over its socket.
 * @param body sent as JSON, by POST; without one it is a GET.
 * @returns the answer's body as a stream.
 * @throws E_NO_HOST when none runs on that data folder; what the host answered with otherwise.
 */
export async function askHost(dataDir: string, path: string, body?: object): Promise<IncomingMessage> {
  const sent = body && { method: 'POST', headers: { 'content-type': 'application/json' } };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath: socketPath(dataDir), path, ...sent }, resolve)
      .once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new BerthError(
            'E_NO_HOST',
            `no host answers at ${socketPath(dataDir)} (${error.code ?? error.message})`,
            error,
          ),
        );
      })
      .end(body && JSON.stringify(body));
  });
  if (response.statusCode === 200) return response;
  const { error } = JSON.parse(await text(response)) as { error: { code: ErrorCode; message: string } };
  throw new BerthError(error.code, error.message);
}
