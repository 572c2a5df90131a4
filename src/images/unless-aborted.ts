/** What the work comes to; rejects with the signal's reason as soon as that is aborted, also if it was before. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    // The signal may be as old as the host.
    signal.removeEventListener('abort', abort);
  }
}
