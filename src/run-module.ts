import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** The program for `node` that runs the module whose address is its first argument. Our modules start faster and smaller by it. */
export const runModule: string = fileURLToPath(new URL('./run-module.js', import.meta.url));

/** Runs a module in a thread of its own. */
export function startThread(module: URL, workerData: unknown): Worker {
  return new Worker(runModule, { argv: [module.href], workerData });
}
