import { TurnError } from './providers/turn-error.ts';
import type { Failure } from './write-outbound.ts';

/** Why a turn was cancelled: its limit, somebody's wish, or the end of the container. */
export type CancelReason = 'limit' | 'abort' | 'stop';

/** What a turn's claims say once it was cancelled, or its provider threw. @param words why the host had it aborted. */
export function describeFailure(
  error: unknown,
  cancelled: CancelReason | undefined,
  turnLimitMs: number,
  words?: string,
): Failure {
  if (cancelled === 'limit') {
    const limit = describeDuration(turnLimitMs);
    return aborted(
      `The turn was stopped because it took longer than ${limit}, the limit of a turn in this group (limits.turn).`,
    );
  }
  if (cancelled) return aborted(words);
  if (error instanceof TurnError) {
    return { error: error.message, errorClass: error.errorClass, retryAt: error.retryAt ?? null };
  }
  return {
    error: `The provider failed: ${(error as Error).message}`,
    errorClass: 'permanent',
    retryAt: null,
  };
}

/** Of a message that is not to be answered any more. @param error why, where whoever asked for it said so. */
export function aborted(error = 'The turn was stopped on request.'): Failure {
  return { error, errorClass: 'aborted', retryAt: null };
}

function describeDuration(ms: number): string {
  if (ms < 120_000) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < 7_200_000) return `${Number((ms / 60_000).toFixed(1))} minutes`;
  return `${Number((ms / 3_600_000).toFixed(1))} hours`;
}
