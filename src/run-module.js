import { begin } from './begin.js';

/* The first file of our threads and child processes: runs the module whose address is the first argument. */
await begin(process.argv[2] ?? '');
