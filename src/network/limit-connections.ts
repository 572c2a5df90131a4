import type { Socket } from 'node:net';
import { NoConnection } from './dial.ts';

/** Opens a connection where there is room for one more. @throws NoConnection of kind `failed`. */
export type LimitConnections = (open: () => Promise<Socket>) => Promise<Socket>;

/** As many as clients may have to one proxy: each of theirs needs one at a time. */
const MOST_AT_ONCE = 1024;

/**
 * The connections outward of one group, those that stand and those that are tried: bounded, also where each of its containers has
 * a proxy of its own, so that no group takes the host's file descriptors from the others.
 */
export function limitConnections(most = MOST_AT_ONCE): LimitConnections {
  let count = 0;
  return async (open) => {
    if (count >= most) throw new NoConnection('failed', 'too many connections at once', 503);
    count++;
    try {
      const socket = await open();
      if (socket.closed) count--;
      else socket.once('close', () => count--);
      return socket;
    } catch (error) {
      count--;
      throw error;
    }
  };
}
