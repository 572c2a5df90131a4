/** One look that is still to come; a newer appointment replaces the older. */
export class LookAgain {
  readonly #look: () => void;
  #cancel: () => void = () => {};
  #refusedSince: number | undefined;

  constructor(look: () => void) {
    this.#look = look;
  }

  in(ms: number): void {
    this.#cancel();
    const timer = setTimeout(this.#look, ms);
    this.#cancel = () => clearTimeout(timer);
  }

  /**
   * After the host's lock was met. It is gone within a fraction of a millisecond, most times, and somebody waits for
   * the reply; the journal of a killed host stays until a new one cleans up.
   */
  afterRefusal(): void {
    this.#refusedSince ??= performance.now();
    const waited = performance.now() - this.#refusedSince;
    if (waited > 3) {
      this.in(waited < 50 ? 1 : waited < 1000 ? 20 : 250);
      return;
    }
    this.#cancel();
    const soon = setImmediate(this.#look);
    this.#cancel = () => clearImmediate(soon);
  }

  /** A look succeeded, or none is wanted any more. */
  cancel(): void {
    this.#cancel();
    this.#refusedSince = undefined;
  }
}
