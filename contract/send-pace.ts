const WINDOW_MS = 60_000;

/**
 * How often an agent may say something that answers nothing. A runner keeps to {@link SendPace.MOST} in any minute and says so to
 * its agent. The host, which collects what was written while it was down all at once, takes ten times as much before it refuses.
 */
export class SendPace {
  /** A minute. */
  static readonly MOST = 60;
  readonly #most: number;
  #times: number[] = [];

  constructor(most = SendPace.MOST) {
    this.#most = most;
  }

  /** Counts one more, unless it is too much. @param now milliseconds of any clock; one that is set back makes nobody wait longer. */
  allows(now: number): boolean {
    this.#times = this.#times.filter((time) => Math.abs(now - time) < WINDOW_MS);
    if (this.#times.length >= this.#most) return false;
    this.#times.push(now);
    return true;
  }
}
