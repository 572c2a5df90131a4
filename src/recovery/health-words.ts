import type { HealthPeriods } from '../config.ts';
import { inWords } from '../duration.ts';

/** What a silent agent is told, as if a person had written it. */
export function nudgeWords({ silenceMs, nudgeMs }: HealthPeriods): string {
  return (
    `(From the host, not from a person: there has been no sign of life from you for ${inWords(silenceMs)}. ` +
    `If you wait for something, say so and go on. Without a sign this turn is stopped in ${inWords(nudgeMs)}.)`
  );
}

/** Why a silent turn was aborted, for the person who waits. */
export function abortWords({ silenceMs, nudgeMs }: HealthPeriods): string {
  return `The turn was stopped because the agent showed no sign of life for ${inWords(silenceMs + nudgeMs)}.`;
}

/** Why a container that still runs is started anew, in words that follow "the container died: ". */
export function restartWords(
  cause: 'heartbeat' | 'limit' | 'silence' | 'idle',
  { heartbeatMs, silenceMs, nudgeMs }: HealthPeriods,
  turnLimitMs: number,
): string {
  switch (cause) {
    case 'heartbeat':
      return `its runner hung: no heartbeat for ${inWords(heartbeatMs)}`;
    case 'limit':
      return `it took longer than ${inWords(turnLimitMs)}, the limit of a turn in this group (limits.turn), and did not end by itself`;
    case 'silence':
      return `it showed no sign of life for ${inWords(silenceMs + nudgeMs)} and could not be aborted`;
    case 'idle':
      return `its runner took up no message for ${inWords(silenceMs)}`;
  }
}
