import { connect, createServer, type Socket } from 'node:net';
import { FORWARDER } from '../../contract/way-out.ts';

/** How long the rest of what was said may wait for somebody who takes nothing. */
const FLUSH_LIMIT_MS = 5 * 60_000;

/** Opens this container's way out, also for the programs that it starts from now on: Node has to be told to look for a proxy. */
export async function openWayOut(where: string): Promise<void> {
  await forwardWayOut(where);
  process.env.NODE_USE_ENV_PROXY ??= '1';
}

/**
 * Offers the host's proxy at the address that `HTTP_PROXY` names. `where` is a socket's path, or `host:port`. Resolves once it listens; rejects when it cannot.
 * @returns the end of it.
 */
export function forwardWayOut(
  where: string,
  at: { host: string; port: number } = FORWARDER,
): Promise<() => void> {
  const [host, port] = where.startsWith('/') ? [] : where.split(':');
  const target = host === undefined ? { path: where } : { host, port: Number(port) };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (inside) => {
    join(inside, connect({ ...target, allowHalfOpen: true }));
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve(() => void server.close());
    });
  });
}

function join(inside: Socket, outside: Socket): void {
  closeAfter(inside, outside);
  closeAfter(outside, inside);
  inside.pipe(outside).pipe(inside);
}

/** An end that closes takes the other with it; where it had said all that it had to say, the rest of that is still handed on. */
function closeAfter(one: Socket, other: Socket): void {
  one.on('error', () => undefined); // it closes
  one.once('close', () => {
    if (!one.readableEnded) return void other.destroy();
    other.setTimeout(FLUSH_LIMIT_MS, () => other.destroy());
    other.destroySoon();
  });
}
