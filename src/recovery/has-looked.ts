import { readOutbound } from '../mailbox/read-outbound.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';

const TRIES = 20;

/** Whether the runner of that epoch has had its first look: it says so in its file. A file that breaks the contract says nothing. */
export function hasLooked(session: { id: string; folders: SessionFolders; epoch: number }): boolean {
  const { id, folders, epoch } = session;
  const cursor = { file: null, seq: 0, usage: 0 };
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      const look = readOutbound({ path: folders.outbound, session: id, epoch, cursor, open: [] });
      if (look !== 'busy') return typeof look === 'object' && look.epoch === epoch;
    } catch {
      return false;
    }
  }
  return false;
}
