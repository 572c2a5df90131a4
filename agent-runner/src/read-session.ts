import type { SessionBody } from '../../contract/bodies.ts';

/** Limit of a turn where the host names none. */
const DEFAULT_TURN_LIMIT_MS = 30 * 60_000;

/** The `body` of the row `session`, with defaults for what a host may leave out. */
export function readSession(json: string, environment: { group: string; provider: string }): SessionBody {
  const body = JSON.parse(json) as Partial<SessionBody>;
  return {
    group: body.group ?? environment.group,
    mcp: body.mcp,
    agent: body.agent ?? { provider: environment.provider, options: {} },
    turnLimitMs: body.turnLimitMs ?? DEFAULT_TURN_LIMIT_MS,
    notices: body.notices ?? [],
    conversation: body.conversation ?? 0,
  };
}
