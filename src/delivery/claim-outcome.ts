import { isTriedAgain, MOST_ATTEMPTS } from '../../contract/retries.ts';
import type { TurnRetryPeriods } from '../config.ts';
import type { CollectedClaim } from '../ledger/collect-rows.ts';
import type { OutboundClaim } from '../mailbox/outbound-rows.ts';

const LONGEST_RATE_LIMIT_MS = 60 * 60 * 1000;

/**
 * What follows from a finished claim: the message is answered, tried again (the classes that may pass by
 * themselves, at most three attempts in all), or over, with words for the person. Pure.
 *
 * @returns `undefined` for a claim that is still being worked on.
 */
export function claimOutcome(
  claim: OutboundClaim,
  now: number,
  periods: TurnRetryPeriods,
): CollectedClaim['outcome'] | undefined {
  if (claim.status === 'processing') return undefined;
  if (claim.status === 'done') return { done: true };
  const reason = claim.error ?? 'the agent gave no reason';
  if (claim.errorClass === 'aborted') return { code: 'E_TURN_ABORTED', reason };
  if (!isTriedAgain(claim.errorClass, 1)) return { code: 'E_TURN_FAILED', reason };
  if (!isTriedAgain(claim.errorClass, claim.attempt)) return { code: 'E_TURN_RETRIES', reason };
  if (claim.errorClass === 'rate_limit') return { retryAt: rateLimitEnd(claim, now, periods.rateLimitMs) };
  return { retryAt: now + pauseAfter(claim.attempt, periods.pauseMs) };
}

/** When a message whose container died is tried again: at once after the first time; `null`: never. Pure. */
export function crashRetryAt(
  attempt: number,
  now: number,
  { pauseMs }: Pick<TurnRetryPeriods, 'pauseMs'>,
): number | null {
  return attempt >= MOST_ATTEMPTS ? null : now + pauseAfter(attempt, pauseMs) - pauseMs;
}

function pauseAfter(attempt: number, firstMs: number): number {
  return attempt <= 1 ? firstMs : 5 * firstMs;
}

/** The time that the container named is a wish: it may not make its message wait for ever. */
function rateLimitEnd(claim: OutboundClaim, now: number, otherwiseMs: number): number {
  const wished = claim.retryAt ?? now + otherwiseMs;
  return Math.min(Math.max(wished, now), now + LONGEST_RATE_LIMIT_MS);
}
