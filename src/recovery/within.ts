import { setTimeout as sleep } from 'node:timers/promises';

/** What the work comes to, or `undefined` when that takes longer than `limitMs`; the work goes on then. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  const patience = new AbortController();
  const late = sleep(limitMs, undefined, patience).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    patience.abort();
  }
}
