import { isTriedAgain, MOST_ATTEMPTS } from '../../contract/retries.ts';
import type { CollectedClaim } from '../ledger/collect-rows.ts';
import type { OutboundClaim } from '../mailbox/outbound-rows.ts';

const BACKOFF_MS = [1_000, 5_000];
const RATE_LIMIT_MS = 60_000;
const LONGEST_RATE_LIMIT_MS = 60 * 60 * 1000;

/**
 * What follows from a finished claim: the message is answered, tried again (the classes that may pass by
 * themselves, at most three attempts in all), or over, with words for the person. Pure.
 *
 * @returns `undefined` for a claim that is still being worked on.
 */
export function claimOutcome(claim: OutboundClaim, now: number): CollectedClaim['outcome'] | undefined {
  if (claim.status === 'processing') return undefined;
  if (claim.status === 'done') return { done: true };
  const reason = claim.error ?? 'the agent gave no reason';
  if (claim.errorClass === 'aborted') return { code: 'E_TURN_ABORTED', reason };
  if (!isTriedAgain(claim.errorClass, 1)) return { code: 'E_TURN_FAILED', reason };
  if (!isTriedAgain(claim.errorClass, claim.attempt)) return { code: 'E_TURN_RETRIES', reason };
  return {
    retryAt: claim.errorClass === 'rate_limit' ? rateLimitEnd(claim, now) : now + backoff(claim.attempt),
  };
}

/** When a message whose container died is tried again; `null`: never. Pure. */
export function crashRetryAt(attempt: number, now: number): number | null {
  return attempt >= MOST_ATTEMPTS ? null : now + backoff(attempt) - 1_000;
}

function backoff(attempt: number): number {
  return BACKOFF_MS[attempt - 1] ?? 5_000;
}

function rateLimitEnd(claim: OutboundClaim, now: number): number {
  const wished = claim.retryAt ?? now + RATE_LIMIT_MS;
  return Math.min(Math.max(wished, now), now + LONGEST_RATE_LIMIT_MS);
}
