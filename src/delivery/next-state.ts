import type { SendErrorClass } from '../channels/send-error.ts';
import { retryDelay } from './retry-delay.ts';

/** A send that came to nothing. */
export interface Failure {
  class: SendErrorClass;
  /** Of `rate-limited`: the pause that the platform asks for, in milliseconds. */
  retryAfterMs?: number | undefined;
}

/** How an event stands when its send has failed. */
export interface Standing {
  /** Which try this was; the first is 1. */
  attempt: number;
  /** Milliseconds since it was made, or since the operator had it sent again. */
  ageMs: number;
  takesKey: boolean;
  /** The pause after the first failure. */
  retryMs: number;
  /** How old an event gets before it is given up. */
  giveUpMs: number;
}

/** What follows; `inMs` is the pause in milliseconds. */
export type NextState = { to: 'retry'; inMs: number } | { to: 'uncertain' } | { to: 'dead' };

/**
 * So often an event is tried at least, whatever its age says: for some eight minutes. A clock that jumps, or a host that was
 * off for days and comes up before its network does, kills no event.
 */
export const LEAST_TRIES = 10;

/** What becomes of an event whose send has failed. Pure but for the jitter. */
export function nextState(
  failure: Failure,
  { attempt, ageMs, takesKey, retryMs, giveUpMs }: Standing,
  random: () => number = Math.random,
): NextState {
  if (failure.class === 'permanent') return { to: 'dead' };
  const isUnknown = failure.class === 'unknown-outcome';
  if (isUnknown && !takesKey) return { to: 'uncertain' };
  const asked = askedPause(failure);
  const isOver = attempt >= LEAST_TRIES && ageMs >= giveUpMs;
  if (isOver || asked > giveUpMs) return { to: isUnknown ? 'uncertain' : 'dead' };
  return { to: 'retry', inMs: asked > 0 ? asked : retryDelay(attempt, retryMs, random) };
}

/** What becomes of an event whose send a dead host may have begun. Pure. */
export function afterInterruption(takesKey: boolean): 'pending' | 'uncertain' {
  return takesKey ? 'pending' : 'uncertain';
}

/** 0: the platform names none, or none that makes sense. */
function askedPause(failure: Failure): number {
  const asked = failure.class === 'rate-limited' ? (failure.retryAfterMs ?? 0) : 0;
  return asked > 0 ? Math.ceil(asked) : 0;
}
