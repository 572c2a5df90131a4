import { parentPort } from 'node:worker_threads';
import { takeWork } from '../take-work.ts';
import { quickCheck } from './quick-check.ts';

/* Reads through the whole ledger beside everybody else: one look takes a second for a million rows. */

takeWork<{ path: string }>(({ path }) => parentPort?.postMessage(quickCheck(path)));
