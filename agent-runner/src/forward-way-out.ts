import { connect, createServer, type Socket } from 'node:net';
import { FORWARDER } from '../../contract/way-out.ts';

/**
 * Offers the host's proxy at the address that `HTTP_PROXY` names. `where` is a socket's path, or `host:port`. Resolves once it listens; rejects when it cannot.
 * @returns the end of it.
 */
export function forwardWayOut(where: string): Promise<() => void> {
  const [host, port] = where.startsWith('/') ? [] : where.split(':');
  const target = host === undefined ? { path: where } : { host, port: Number(port) };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => {
    join(inside, connect({ ...target, allowHalfOpen: true }));
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(FORWARDER.port, FORWARDER.host, () => {
      server.off('error', reject);
      resolve(() => void server.close());
    });
  });
}

function join(inside: Socket, outside: Socket): void {
  inside.on('error', () => outside.destroy()).once('close', () => outside.destroy());
  outside.on('error', () => inside.destroy()).once('close', () => inside.destroy());
  inside.pipe(outside).pipe(inside);
}
