/** What a session's looks may use up at once, in milliseconds of the host's time, before it has to wait. */
const BURST_MS = 100;
/** The share of the host's time that they get in the long run. */
const SHARE = 0.1;
/** What taking a row costs beside the look, in milliseconds, most of it on the thread that all sessions share. */
const ROW_MS = 0.2;

/**
 * Rations what a session's container can make the host do. What answers somebody is free, once for each message; what is
 * looked at in vain and what nobody has asked for uses up the session's share. One that is used up waits, and delays
 * nobody but itself.
 */
export class LookPace {
  #left = BURST_MS;
  #at: number;
  readonly #paid = new Set<string>();

  /** @param now monotonic milliseconds, here and below. */
  constructor(now: number) {
    this.#at = now;
  }

  /** For how long the next look has to wait, in milliseconds. */
  delay(now: number): number {
    this.#left = Math.min(BURST_MS, this.#left + (now - this.#at) * SHARE);
    this.#at = now;
    return this.#left >= 0 ? 0 : -this.#left / SHARE;
  }

  /**
   * @param tookMs how long the look itself took.
   * @param rows the messages that each of the rows found answers.
   * @param open messages that wait for an answer.
   * @returns for each row, whether somebody had asked for it.
   */
  charge(tookMs: number, rows: readonly string[][], open: ReadonlyMap<string, unknown>): boolean[] {
    const asked = rows.map((answers) => {
      const free = answers.filter((id) => open.has(id) && !this.#paid.has(id));
      for (const id of free) this.#paid.add(id);
      return free.length > 0;
    });
    const idle = asked.filter((wasAsked) => !wasAsked);
    for (const id of this.#paid) if (!open.has(id)) this.#paid.delete(id);
    this.#left -= idle.length * ROW_MS + (rows.length > idle.length ? 0 : tookMs);
    return asked;
  }

  /** @param tookMs what else was done for a row that nobody had asked for. */
  spend(tookMs: number): void {
    this.#left -= tookMs;
  }
}
