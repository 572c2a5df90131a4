import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BerthError } from '../errors.ts';
import { startThread } from '../run-module.ts';
import { quickCheck } from './quick-check.ts';

const THREAD = new URL('./check-ledger-thread.ts', import.meta.url);

/** With so much to read, in bytes, a thread of its own takes longer to load than its work, and a processor from who else loads. */
const SMALL = 16 * 1024 * 1024;

/**
 * Reads through the whole of `host.db`, unless it is small in a thread of its own, before anything is written to it. A ledger so large
 * that it takes longer than `limitMs` is read on beside the host's work: a start does not wait for it.
 *
 * @param onLate called when damage is found after this has returned.
 * @returns false: it is still being read.
 * @throws E_LEDGER_DAMAGED, also where sessions have no ledger beside them; nothing was written then.
 */
export async function checkLedger(
  path: string,
  limitMs: number,
  onLate: (error: BerthError) => void,
): Promise<boolean> {
  if (sizeOf(path) === 0) {
    if (hasSessions(join(dirname(path), 'sessions')))
      throw damaged(path, 'it is missing or empty, and there are sessions beside it');
    return true;
  }
  if (sizeOf(path) + sizeOf(`${path}-wal`) <= SMALL) {
    const problem = quickCheck(path);
    if (problem !== null) throw damaged(path, problem);
    return true;
  }
  const worker = startThread(THREAD, { path });
  worker.unref();
  const result = (once(worker, 'message') as Promise<[string | null]>).then(([problem]) => problem);
  const timeout = new AbortController();
  const first = await Promise.race([result, wait(limitMs, 'late' as const, { signal: timeout.signal })]);
  timeout.abort();
  if (first === 'late') {
    result.then(
      (problem) => problem !== null && onLate(damaged(path, problem)),
      (error: unknown) => onLate(new BerthError('E_LEDGER', `${path} could not be checked`, error)),
    );
    return false;
  }
  if (first !== null) throw damaged(path, first);
  return true;
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function damaged(path: string, problem: string): BerthError {
  return new BerthError('E_LEDGER_DAMAGED', `the ledger ${path} is damaged: ${problem}`);
}

function hasSessions(folder: string): boolean {
  const entries = (path: string) => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  return entries(folder).some((group) => entries(join(folder, group)).length > 0);
}
