import type { IncomingMessage } from 'node:http';

/** How long a caller may go on sending a body that was already answered, in milliseconds. */
const DRAIN_MS = 5_000;

/**
 * Reads and drops the rest of a body that was refused. Closing at once would reset the connection, and a
 * caller that is still sending would lose the answer that says why.
 */
export function drainRequest(request: IncomingMessage): void {
  if (request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
  request.once('end', () => clearTimeout(timer));
  request.resume();
}
