import { systemClock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import { createLedgerReads } from '../ledger/ledger-reads.ts';
import { prepareMessages } from '../ledger/messages.ts';
import { prepareSessionState } from '../ledger/session-state.ts';
import type { Why } from '../recovery/explain-wait.ts';
import { gatherWhy } from '../recovery/gather-why.ts';
import { withLedger } from './without-host.ts';

/** As `gatherWhy`, from a data folder that no host holds. @throws E_NO_HOST where there is no ledger, E_DATA_LOCKED. */
export function whyWithoutHost(dataDir: string, session: string): Promise<Why> {
  return withLedger(dataDir, (db) =>
    gatherWhy({ reads: createLedgerReads(db), clock: systemClock, dataDir, host: null }, session),
  );
}

/** The next host tries at once. @returns how many messages wait. @throws E_SESSION_UNKNOWN, and as above. */
export async function retryWithoutHost(dataDir: string, session: string): Promise<number> {
  return withLedger(dataDir, async (db) => {
    if (!createLedgerReads(db).session(session))
      throw new BerthError('E_SESSION_UNKNOWN', `there is no session "${session.slice(0, 80)}"`);
    const args = { session, now: systemClock.now() };
    return db
      .transaction(() => {
        prepareSessionState(db).forgetTroubles(args);
        return prepareMessages(db).hurry(args);
      })
      .immediate();
  });
}
