/** Undoes one thing; may be asynchronous. */
export type Release = () => void | Promise<void>;

/**
 * What has to be given back at the end, last in, first out. A release that throws does not keep the
 * others from running; the first error is thrown at the end.
 */
export class ReleaseStack {
  #releases: { name: string; release: Release }[] = [];

  add(name: string, release: Release): void {
    this.#releases.push({ name, release });
  }

  /** Runs all releases once, in reverse order. */
  async releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let next = this.#releases.pop(); next; next = this.#releases.pop()) {
      try {
        await next.release();
      } catch (error) {
        failures.push(new Error(`releasing ${next.name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
