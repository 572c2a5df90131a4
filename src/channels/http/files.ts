import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { BerthError } from '../../errors.ts';
import { CHAT_PATH, chatAddress, param } from './chat-address.ts';
import { attachment } from './content-disposition.ts';
import type { RouteContext } from './route-context.ts';

/** `GET …/files/{message}/{name}`: a file that the agent sent, never shown by a browser as a page of this host. */
export function addFileRoutes(server: FastifyInstance, { host }: RouteContext): void {
  server.get(`${CHAT_PATH}/files/:message/:name`, async (request, reply) => {
    const name = param(request, 'name');
    const { path } = await host.file(chatAddress(request), param(request, 'message'), name);
    const { handle, bytes } = await openFile(path);
    reply.header('content-type', 'application/octet-stream').header('content-length', bytes);
    reply.header('content-disposition', attachment(name)).header('cache-control', 'private, no-cache');
    if (bytes > 0) return reply.send(handle.createReadStream({ start: 0, end: bytes - 1 }));
    await handle.close();
    return reply.send(Buffer.alloc(0));
  });
}

/** Opens first and judges the descriptor then: what lies at a path can change in between. */
async function openFile(path: string): Promise<{ handle: FileHandle; bytes: number }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    refuse,
  );
  const found = await handle.stat();
  if (found.isFile()) return { handle, bytes: found.size };
  await handle.close();
  throw new BerthError('E_FILE_REFUSED', 'this is not a regular file');
}

function refuse(error: unknown): never {
  const { code } = error as { code?: string };
  if (code === 'ENOENT') throw new BerthError('E_NOT_FOUND', 'the file is no longer there', error);
  throw new BerthError('E_FILE_REFUSED', 'the file cannot be read', error);
}
