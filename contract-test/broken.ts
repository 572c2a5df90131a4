/** The runner broke a rule. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** @throws Broken with the words, unless it holds. */
export function demand(holds: boolean, words: string): asserts holds {
  if (!holds) throw new Broken(words);
}
