import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';

interface Dependencies {
  writer: Writer;
  clock: Clock;
  log: Logger;
}

/**
 * A message is in the ledger, and there is no room for it in its session's file: that may lie on a disk of its own, or the
 * container has used up a quota. It is written when there is room; until then the session says why it does not answer.
 */
export function createNoteNoRoom({ writer, clock, log }: Dependencies) {
  return async function noteNoRoom(session: string, cause: string): Promise<void> {
    const reason = `there is no room on the disk of the session's folder (${cause}); what waits goes on when there is`;
    log.error({ code: 'E_DISK_FULL', session }, reason);
    await writer
      .run('recordError', { session, code: 'E_DISK_FULL', reason, now: clock.now() })
      .catch((error: unknown) => log.warn({ err: error, session }, 'the full disk could not be noted'));
  };
}
