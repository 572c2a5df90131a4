/** What this session has taken up, in memory: the runner is the only writer of the table, and asks for each row of each look. */
export class Claims {
  readonly #attempts = new Map<string, Set<number>>();
  /** Attempts that failed and are tried again: what comes after them in their chat waits. */
  readonly #again = new Map<string, number>();

  /** @param again the claim failed, and the host will try the message again. */
  add(id: string, attempt: number, again = false): void {
    const attempts = this.#attempts.get(id);
    if (attempts) attempts.add(attempt);
    else this.#attempts.set(id, new Set([attempt]));
    if (again) this.#again.set(id, attempt);
    else this.#again.delete(id);
  }

  has(id: string, attempt: number): boolean {
    return this.#attempts.get(id)?.has(attempt) ?? false;
  }

  /** True when something waits for a retry. */
  get someWait(): boolean {
    return this.#again.size > 0;
  }

  /** True while the host has not yet made the next attempt of that message due. */
  waitsForRetry(id: string, attempt: number): boolean {
    return this.#again.get(id) === attempt;
  }

  /** How many messages have a claim. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Forgets the messages that are not among `ids`. @returns the forgotten. */
  keepOnly(ids: ReadonlySet<string>): string[] {
    const gone = [...this.#attempts.keys()].filter((id) => !ids.has(id));
    for (const id of gone) {
      this.#attempts.delete(id);
      this.#again.delete(id);
    }
    return gone;
  }
}
