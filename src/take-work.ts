import { parentPort } from 'node:worker_threads';

/** In a thread that `startThread` runs: what it is to do. */
export function takeWork<Work>(): Promise<Work> {
  return new Promise((resolve) => parentPort?.once('message', resolve));
}
