import type { Duplex } from 'node:stream';
import { LONGEST_HELLO, readFirstWords } from './client-hello.ts';
import type { Target } from './target.ts';

/** How long a client may take over its ClientHello, and in how many pieces. */
const HELLO_LIMIT_MS = 10_000;
const MOST_PIECES = 200;

/**
 * Joins both ends of a tunnel. The server may speak at once; what the client says is held until it is clear that it is no
 * TLS for another host than the tunnel was opened to: behind one address many hosts may live.
 * @param onRefused called, and both ends are closed, where it is.
 */
export function pipeTunnel(
  client: Duplex,
  server: Duplex,
  { host }: Target,
  onRefused: (reason: string) => void,
): void {
  closeTogether(client, server);
  server.pipe(client);
  let pieces = 0;
  let said = Buffer.alloc(0);
  const timer = setTimeout(
    () => said.length > 0 && refuse('a TLS greeting that does not end'),
    HELLO_LIMIT_MS,
  );
  client.once('close', () => clearTimeout(timer));
  client.on('data', listen);
  client.once('end', () => pass());

  function listen(chunk: Buffer): void {
    said = Buffer.concat([said, chunk]);
    const words = readFirstWords(said);
    if (words === 'more' && said.length <= LONGEST_HELLO && ++pieces <= MOST_PIECES) return;
    if (words === 'plain') return void pass();
    if (words === 'more' || words === 'malformed') return void refuse('a TLS greeting that cannot be read');
    const { serverName } = words;
    if (serverName !== undefined && serverName.replace(/\.$/, '') !== host)
      return void refuse(`TLS for another host, ${serverName.slice(0, 253)}`);
    pass();
  }

  function pass(): void {
    clearTimeout(timer);
    client.off('data', listen);
    if (said.length > 0) server.write(said);
    said = Buffer.alloc(0);
    if (client.readableEnded) server.end();
    else client.pipe(server);
  }

  function refuse(reason: string): void {
    onRefused(reason);
    client.destroy();
    server.destroy();
  }
}

/** An end that breaks takes the other with it; one that has only said all it has to say does not. */
function closeTogether(client: Duplex, server: Duplex): void {
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.once('close', () => other.destroy());
  }
}
