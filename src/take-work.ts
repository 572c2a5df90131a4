import { parentPort } from 'node:worker_threads';

/** In a thread that `startThread` runs: calls back once it is said what to do. */
export function takeWork<Work>(begin: (work: Work) => void): void {
  parentPort?.once('message', begin);
}
