import { readOutbound } from '../mailbox/read-outbound.ts';
import type { LookOptions } from '../mailbox/read-rows.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { SlowLooks } from '../mailbox/slow-looks.ts';

const TRIES = 20;

/** Whether the runner of that epoch has had its first look: it says so in its file. A file that breaks the contract says nothing. */
export async function hasLooked(
  session: { id: string; folders: SessionFolders; epoch: number },
  slowLooks: SlowLooks,
): Promise<boolean> {
  const { id, folders, epoch } = session;
  const cursor = { file: null, seq: 0, usage: 0, epoch: 0 };
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      const found = await look({ out: folders.out, session: id, epoch, cursor, open: [] });
      if (found !== 'busy') return typeof found === 'object' && found.epoch === epoch;
    } catch {
      return false;
    }
  }
  return false;

  async function look(options: LookOptions) {
    const quick = readOutbound(options);
    return quick === 'exceeds' ? (await slowLooks.look(options)).found : quick;
  }
}
