/** The next try of a look that the host's lock refused. */
export class LookAgain {
  readonly #look: () => void;
  #cancel: () => void = () => {};
  #refusedSince: number | undefined;

  constructor(look: () => void) {
    this.#look = look;
  }

  /**
   * After the host's lock was met. It is gone within a fraction of a millisecond, most times, and somebody waits for
   * the reply; the journal of a killed host stays until a new one cleans up.
   */
  afterRefusal(): void {
    this.#refusedSince ??= performance.now();
    const waited = performance.now() - this.#refusedSince;
    this.#cancel();
    if (waited < 1) {
      const soon = setImmediate(this.#look);
      this.#cancel = () => clearImmediate(soon);
    } else {
      const timer = setTimeout(this.#look, waited < 50 ? 1 : waited < 1000 ? 20 : 250);
      this.#cancel = () => clearTimeout(timer);
    }
  }

  /** A look succeeded, or none is wanted any more. */
  cancel(): void {
    this.#cancel();
    this.#refusedSince = undefined;
  }
}
