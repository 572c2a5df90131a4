/*
 * What must never be written to a log, an error or a report. Kept in one place, by value: a secret turns up where nobody
 * expected it, in the words of an engine or of a library, under no key that anybody could have listed.
 */

const kept = new Set<string>();

/** Shorter ones are found in ordinary words; whoever sets such a token has no secret. */
const SHORTEST = 6;
const CENSORED = '[secret]';

/** From now on {@link hideSecrets} knows this value. */
export function keepSecret(value: string | undefined): void {
  if (value === undefined || value.length < SHORTEST) return;
  kept.add(value);
  // As it looks within JSON.
  kept.add(JSON.stringify(value).slice(1, -1));
}

/** The text without any secret that is known. */
export function hideSecrets(text: string): string {
  let hidden = text;
  for (const secret of kept) hidden = hidden.replaceAll(secret, CENSORED);
  return hidden;
}
