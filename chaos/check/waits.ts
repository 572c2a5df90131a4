import { all, type Evidence, type LedgerEvent, messagesOf, type Violation } from './evidence.ts';
import { eventsAbout, failureMadeAt, isUnknowable, knownOf } from './known.ts';

/** Longest time from the ledger's word that something has failed to its being told, in milliseconds in which a host was there. */
const LONGEST_WAIT_MS = 10_000;

/**
 * Who waits is told within ten seconds: of a message that has failed for good, by the failure that ended it; of a session that
 * does not work now, by anything about the message (who was told before is not told again by each try); of a reply that
 * its platform does not take, by the word that says so.
 */
export function checkWaits(evidence: Evidence): Violation[] {
  const { history, inbox, outbox } = evidence;
  const { shownAt } = knownOf(evidence);
  const about = eventsAbout(evidence);
  const hostTime = hostTimeOf(evidence);
  // Not those of chats that were deleted.
  const ids = new Set(messagesOf(history).map(({ id }) => id));
  const endedAt = new Map(inbox.map((row) => [row.id, row.endedAt]));
  const events = new Map(outbox.map((event) => [event.n, event]));

  function late(at: number, told: (LedgerEvent | undefined)[], words: string): Violation[] {
    const tellers = told.filter((event) => event !== undefined);
    const first = Math.min(...tellers.map((event) => shownAt(event) ?? Number.POSITIVE_INFINITY));
    const waited = first === Number.POSITIVE_INFINITY ? first : hostTime(at, first);
    if (waited <= LONGEST_WAIT_MS || tellers.some(isUnknowable)) return [];
    const said = `${words}, and nobody was told for ${(waited / 1000).toFixed(1)} s`;
    return [{ rule: 'more than 10 s until a failure was told', words: said }];
  }

  const failed = all(history, 'failed').filter(({ id }) => ids.has(id));
  const stuck = all(history, 'stuck').filter(({ id }) => ids.has(id));
  return [
    ...failed.flatMap(({ id, at }) =>
      late(at, [failureMadeAt(about(id), endedAt.get(id) ?? null)], `${id} had failed`),
    ),
    ...stuck.flatMap(({ id, at }) => late(at, about(id), `${id} waited in a session that had failed`)),
    ...all(history, 'dead').flatMap(({ n, at }) => {
      const { chat, answers } = events.get(n) ?? {};
      const says = outbox.filter(
        (event) =>
          event.code === 'E_SEND_FAILED' && event.chat === chat && `${event.answers}` === `${answers}`,
      );
      return answers === undefined ? [] : late(at, says, `r${n} was not taken`);
    }),
  ];
}

/** @returns how long a host was there between two times, in milliseconds: without one nobody can tell anybody. */
function hostTimeOf({ history }: Evidence): (from: number, to: number) => number {
  const lives: [from: number, to: number][] = [];
  for (const { action, at } of all(history, 'host')) {
    const last = lives.at(-1);
    if (action === 'ready') lives.push([at, Number.POSITIVE_INFINITY]);
    if (action === 'exit' && last) last[1] = Math.min(last[1], at);
  }
  return (from, to) =>
    lives.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)), 0);
}
