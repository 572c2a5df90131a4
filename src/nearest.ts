/** What is longer is no typing error, and not worth comparing. */
const longestTypo = 80;

/** The known word that a mistyped one most likely means; `undefined` when none is near (more than a third differs). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > longestTypo) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (const [line, letter] of [...left].entries()) {
    const next = [line + 1];
    for (let column = 0; column < right.length; column++) {
      const replaced = (row[column] ?? 0) + (letter === right[column] ? 0 : 1);
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
