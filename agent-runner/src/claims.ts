/** What this session has taken up, in memory: the runner is the only writer of the table, and asks for each row of each look. */
export class Claims {
  readonly #attempts = new Map<string, Set<number>>();

  add(id: string, attempt: number): void {
    const attempts = this.#attempts.get(id);
    if (attempts) attempts.add(attempt);
    else this.#attempts.set(id, new Set([attempt]));
  }

  has(id: string, attempt: number): boolean {
    return this.#attempts.get(id)?.has(attempt) ?? false;
  }

  /** How many messages have a claim. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Forgets the messages that are not among `ids`. @returns the forgotten. */
  keepOnly(ids: ReadonlySet<string>): string[] {
    const gone = [...this.#attempts.keys()].filter((id) => !ids.has(id));
    for (const id of gone) this.#attempts.delete(id);
    return gone;
  }
}
