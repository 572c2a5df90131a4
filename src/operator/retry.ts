import { json } from 'node:stream/consumers';
import { askHost } from './ask-host.ts';
import { retryWithoutHost } from './ledger-without-host.ts';
import { withoutHostElse } from './without-host.ts';

/**
 * `berth retry <session>`: what failed is tried at once, and what was counted against the session is forgotten.
 * @throws E_SESSION_UNKNOWN, E_NO_HOST where there is no ledger either, E_DATA_LOCKED.
 */
export async function retry(dataDir: string, session: string): Promise<void> {
  const query = new URLSearchParams({ session });
  const { waiting, host } = await withoutHostElse(
    async () => {
      const answer = (await json(await askHost(dataDir, `/retry?${query}`, {}))) as { waiting: number };
      return { ...answer, host: true };
    },
    async () => ({ waiting: await retryWithoutHost(dataDir, session), host: false }),
  );
  const count = `${waiting} ${waiting === 1 ? 'message' : 'messages'}`;
  const done =
    waiting === 0
      ? 'nothing waits; what was counted against it is forgotten'
      : `${count} ${host ? 'tried again now' : 'tried again once a host runs'}`;
  process.stdout.write(`${session}: ${done}\n`);
}
