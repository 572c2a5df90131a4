import type { ErrorClass } from './bodies.ts';

/** How often a message is tried in all. */
export const MOST_ATTEMPTS = 3;

/** The classes of failures that may pass by themselves. */
const PASSING: readonly ErrorClass[] = ['transient', 'rate_limit', 'continuation'];

/**
 * True when a turn that failed so is tried again by the host. Until the host has raised the message's attempt or taken its row
 * away, later messages of its chat and thread wait, on both sides: otherwise they would be answered before it.
 */
export function isTriedAgain(errorClass: ErrorClass | null, attempt: number): boolean {
  return errorClass !== null && PASSING.includes(errorClass) && attempt < MOST_ATTEMPTS;
}
