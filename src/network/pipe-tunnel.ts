import type { Socket } from 'node:net';
import { GreetingJudge } from './judge-greeting.ts';
import type { Target } from './target.ts';

/** How long a client may take over its greeting from its first byte, and how much of it is held, in bytes. */
const GREETING_LIMIT_MS = 10_000;
const MOST_HELD = 20 * 1024;
/** How long the rest of what was said may wait for somebody who takes nothing. */
const FLUSH_LIMIT_MS = 5 * 60_000;

interface Judges {
  /** The tunnel is closed, for this reason. */
  onRefused(reason: string): void;
  /** The client speaks plain HTTP: it is no longer joined to the server, and what it has said is to be read again. */
  onRequest(): void;
}

/**
 * Joins both ends of a tunnel. The server may speak at once; what the client says is held until it is clear that it is neither
 * TLS for another host than the tunnel was opened to nor HTTP, whose every request names a host.
 */
export function pipeTunnel(
  client: Socket,
  server: Socket,
  target: Target,
  { onRefused, onRequest }: Judges,
): void {
  let joined = true;
  closeTogether(client, server, () => joined);
  server.pipe(client);
  const judge = new GreetingJudge(target);
  let held: Buffer[] = [];
  let heldBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  client.once('close', () => clearTimeout(timer));
  client.on('data', listen);
  client.once('end', end);

  function listen(piece: Buffer): void {
    timer ??= setTimeout(() => heldBytes > 0 && refuse('a greeting that does not end'), GREETING_LIMIT_MS);
    held.push(piece);
    heldBytes += piece.length;
    const verdict = judge.read(piece);
    if (typeof verdict === 'object') refuse(verdict.refused);
    else if (verdict === 'hold') heldBytes > MOST_HELD && refuse('a greeting that does not end');
    else if (verdict === 'watch') sendOn();
    else if (verdict === 'pass') pass();
    else handOver();
  }

  function end(): void {
    if (judge.mayEnd()) pass();
    else refuse('a greeting that breaks off');
  }

  function pass(): void {
    leave();
    sendOn();
    if (client.readableEnded) server.end();
    else client.pipe(server);
  }

  function sendOn(): void {
    if (heldBytes > 0) server.write(Buffer.concat(held));
    held = [];
    heldBytes = 0;
  }

  function handOver(): void {
    leave();
    joined = false;
    server.unpipe(client).destroy();
    // Not paused: whoever listens from now on, at once, is to be given it.
    client.unshift(Buffer.concat(held));
    onRequest();
  }

  function refuse(reason: string): void {
    onRefused(reason);
    client.destroy();
    server.destroy();
  }

  function leave(): void {
    clearTimeout(timer);
    client.off('data', listen).off('end', end);
  }
}

/** An end that closes takes the other with it. */
function closeTogether(client: Socket, server: Socket, areJoined: () => boolean): void {
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on('error', () => undefined); // it closes
    one.once('close', () => areJoined() && closeAfter(one, other));
  }
}

/**
 * Closes one end because the other is closed: at once where that was cut off; where it had said all that it had to say, only
 * when the rest of it has been taken.
 */
export function closeAfter(closed: Socket, end: Socket): void {
  const hasSaidAll = closed.readableEnded && (closed.writableFinished || closed.errored !== null);
  if (!hasSaidAll) return void end.destroy();
  end.setTimeout(FLUSH_LIMIT_MS, () => end.destroy());
  end.destroySoon();
}
