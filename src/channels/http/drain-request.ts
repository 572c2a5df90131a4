import type { IncomingMessage } from 'node:http';

/** How long a caller may go on sending a body that is refused, in milliseconds. */
const DRAIN_MS = 5_000;

/**
 * Reads and drops the rest of a body that is refused: closing while the caller still sends would reset the
 * connection and with it the answer that says why. Resolves at its end, or after five seconds: then `false`.
 */
export function drainRequest(request: IncomingMessage): Promise<boolean> {
  if (request.complete || request.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(false), DRAIN_MS).unref();
    const ended = () => end(true);
    // Whoever it was piped to has stopped reading, and would hold it up.
    request.unpipe().on('end', ended).on('close', ended).resume();

    function end(complete: boolean): void {
      clearTimeout(timer);
      request.off('end', ended).off('close', ended);
      resolve(complete);
    }
  });
}
