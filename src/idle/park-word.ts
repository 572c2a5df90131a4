import type { FreezeUnderWay } from '../awake/awake-session.ts';

/** What came of a park: the runner said that it is parked, nothing for too long, or nobody wants to know any more. */
export type Word = 'parked' | 'silent' | 'called off';

/**
 * Waits for a runner's word that it is parked: parked, and by this very `park` of its own epoch. The word may be found
 * before the number of the park is known here.
 */
export function awaitParkWord(epoch: number): Pick<FreezeUnderWay, 'hear' | 'callOff'> & {
  /** @param seq number of the park. */
  word(seq: number, limitMs: number): Promise<Word>;
} {
  const { promise, resolve } = Promise.withResolvers<Word>();
  let parkedBy: number | undefined;
  let asked: number | undefined;

  function compare(): void {
    if (asked !== undefined && asked === parkedBy) resolve('parked');
  }

  return {
    hear(runner) {
      parkedBy = runner.parked && runner.epoch === epoch ? runner.controlSeq : undefined;
      compare();
    },
    callOff: () => resolve('called off'),
    async word(seq, limitMs) {
      asked = seq;
      compare();
      const limit = setTimeout(resolve, limitMs, 'silent');
      try {
        return await promise;
      } finally {
        clearTimeout(limit);
      }
    },
  };
}
