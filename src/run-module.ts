import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** The program for `node` that runs the module whose address is its first argument. Our modules start faster and smaller by it. */
export const runModule: string = fileURLToPath(new URL('./run-module.js', import.meta.url));

/** Threads that load their modules while there is no work for them yet, by the address of the module. */
const prepared = new Map<string, Worker>();

/** Has a thread load its modules beside what goes on here; `startThread` gives it its work. It keeps no process from ending. */
export function prepareThread(module: URL): void {
  if (prepared.has(module.href)) return;
  const worker = open(module);
  worker.unref();
  prepared.set(module.href, worker);
}

/** Runs a module in a thread of its own. @param work what its `takeWork` is called back with. */
export function startThread(module: URL, work: unknown): Worker {
  const worker = prepared.get(module.href) ?? open(module);
  prepared.delete(module.href);
  worker.ref();
  worker.postMessage(work);
  return worker;
}

function open(module: URL): Worker {
  return new Worker(runModule, { argv: [module.href] });
}
