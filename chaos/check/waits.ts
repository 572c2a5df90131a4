import { all, type Evidence, type Violation } from './evidence.ts';

/** Longest time from the ledger's word that a message has failed to its being told, in milliseconds. */
const LONGEST_WAIT_MS = 10_000;

/** Who waits for a message that has failed for good is told within ten seconds. */
export function checkWaits({ history, outbox }: Evidence): Violation[] {
  const told = new Map<string, number>();
  for (const { event, at } of all(history, 'shown'))
    for (const id of event.answers) if (!told.has(id)) told.set(id, at);
  const unknowable = new Set(
    outbox.filter(({ status }) => status === 'uncertain').flatMap(({ answers }) => answers),
  );
  return all(history, 'failed').flatMap(({ id, at }) => {
    const waited = (told.get(id) ?? Number.POSITIVE_INFINITY) - at;
    if (waited <= LONGEST_WAIT_MS || (waited === Number.POSITIVE_INFINITY && unknowable.has(id))) return [];
    const words = `${id} had failed, and nobody was told for ${(waited / 1000).toFixed(1)} s`;
    return [{ rule: 'more than 10 s until a final failure was told', words }];
  });
}
