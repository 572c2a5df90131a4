const MINUTE_MS = 60_000;
/** Between what a tool was allowed and the word that it has ended. */
const SLACK_MS = 30_000;
/** Of a tool that says nothing about its time. */
const USUAL_MS = 10 * MINUTE_MS;
const SHELL_MS = 2 * MINUTE_MS;

/**
 * For how many milliseconds silence is normal while a tool runs: what it was allowed, at most what is left of the turn. Pure.
 * @param input what it was called with; `timeout` (milliseconds) is what shells take.
 */
export function toolSilence(name: string, input: Record<string, unknown> = {}, turnLimitMs: number): number {
  const { timeout } = input;
  const allowed = typeof timeout === 'number' && timeout > 0 ? timeout : isShell(name) ? SHELL_MS : USUAL_MS;
  return Math.min(allowed + SLACK_MS, turnLimitMs);
}

function isShell(name: string): boolean {
  return name.toLowerCase() === 'bash';
}
