import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type FirstWords, LONGEST_HELLO, readFirstWords } from './client-hello.ts';
import { couldBeRequest, isRequest } from './request-line.ts';
import type { Target } from './target.ts';

/** How long a client may take over its greeting, and in how many pieces. */
const GREETING_LIMIT_MS = 10_000;
const MOST_PIECES = 200;

interface Judges {
  /** The tunnel is closed, for this reason. */
  onRefused(reason: string): void;
  /** The client speaks plain HTTP: it is no longer joined to the server, and what it has said is to be read again. */
  onRequest(): void;
}

/**
 * Joins both ends of a tunnel. The server may speak at once; what the client says is held until it is clear that it is neither
 * TLS for another host than the tunnel was opened to nor HTTP, whose every request names a host: behind one address many
 * hosts may live.
 */
export function pipeTunnel(
  client: Duplex,
  server: Duplex,
  { host }: Target,
  { onRefused, onRequest }: Judges,
): void {
  let joined = true;
  closeTogether(client, server, () => joined);
  server.pipe(client);
  let pieces = 0;
  let said = Buffer.alloc(0);
  const timer = setTimeout(
    () => said.length > 0 && refuse('a greeting that does not end'),
    GREETING_LIMIT_MS,
  );
  client.once('close', () => clearTimeout(timer));
  client.on('data', listen);
  client.once('end', pass);

  function listen(chunk: Buffer): void {
    said = Buffer.concat([said, chunk]);
    const words = readFirstWords(said);
    const isOpen = words === 'more' || (words === 'plain' && couldBeRequest(said));
    if (isOpen && said.length <= LONGEST_HELLO && ++pieces <= MOST_PIECES) return;
    if (isOpen) refuse('a greeting that does not end');
    else if (words !== 'plain') judgeName(words);
    else isRequest(said) ? handOver() : pass();
  }

  function judgeName(words: FirstWords): void {
    if (typeof words === 'string') return void refuse('a TLS greeting that cannot be read');
    const { serverName } = words;
    if (serverName === undefined && isIP(host) === 0) return void refuse('TLS that names no host');
    if (serverName !== undefined && serverName.replace(/\.$/, '') !== host)
      return void refuse(`TLS for another host, ${serverName.slice(0, 253)}`);
    pass();
  }

  function pass(): void {
    leave();
    if (said.length > 0) server.write(said);
    said = Buffer.alloc(0);
    if (client.readableEnded) server.end();
    else client.pipe(server);
  }

  function handOver(): void {
    leave();
    joined = false;
    server.unpipe(client).destroy();
    // Not paused: whoever listens from now on, at once, is to be given it.
    client.unshift(said);
    onRequest();
  }

  function refuse(reason: string): void {
    onRefused(reason);
    client.destroy();
    server.destroy();
  }

  function leave(): void {
    clearTimeout(timer);
    client.off('data', listen).off('end', pass);
  }
}

/** An end that breaks takes the other with it; one that has only said all it has to say does not. */
function closeTogether(client: Duplex, server: Duplex, areJoined: () => boolean): void {
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    const end = () => areJoined() && other.destroy();
    one.on('error', end).once('close', end);
  }
}
