import { flushCompileCache } from 'node:module';
import './compile-cache.js';
import './zod-in-english.js';

/* The first file of our threads and child processes: runs the module whose address is the first argument. */
await import(process.argv[2] ?? '');

// Not at its end: a host that is killed would keep nothing, and start slowly again.
flushCompileCache();
