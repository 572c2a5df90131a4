import { flushCompileCache } from 'node:module';
import './compile-cache.js';
import { runOneFile } from './one-file.js';

/** A host that is killed at its end would keep nothing of what was compiled: so it is kept once the start is over, in milliseconds. */
const START_MS = 10_000;

/**
 * Runs the module that a process or a thread begins with: from the one file that `npm ci` has made of it, if there is one
 * and it is not older than its sources; otherwise as it is.
 * @param address of the module, a `file:` URL
 */
export async function begin(address) {
  if (runOneFile(address, START_MS)) return;
  await import('./zod-in-english.js');
  setTimeout(flushCompileCache, START_MS).unref();
  await import(address);
}
