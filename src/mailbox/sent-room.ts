import type { Clock } from '../clock.ts';
import { inSize } from '../size.ts';
import { diskTaken } from './disk-use.ts';

/** What a file takes beside its bytes: its folder, and the rest of its last block. */
const BESIDE = 8 * 1024;
/** How soon a full folder is measured again: what is pruned makes room. In milliseconds, as is how long that may take. */
const AGAIN_MS = 10_000;
const WITHIN_MS = 10_000;
/** Folders are remembered up to so many; then anew. */
const MOST_KNOWN = 10_000;

/**
 * Counts what the host keeps in each session's `sent/`: copies that a container can have made at will, and that no quota of its own
 * folders holds. Measured once, added up from then on, and measured again where it is full by that count.
 */
export function createSentRoom(clock: Pick<Clock, 'monotonic'>) {
  const known = new Map<string, { bytes: number; at: number }>();

  return {
    /** @throws Error saying in words for a person that the folder holds as much as it may; one more file is no matter. */
    async check(folder: string, limitBytes: number): Promise<void> {
      const bytes = await taken(folder, limitBytes);
      if (bytes < limitBytes) return;
      const held = `the files that this chat was sent before take ${inSize(bytes)}`;
      throw new Error(
        `${held}, and limits.disk allows ${inSize(limitBytes)}; there is room when old ones go`,
      );
    },

    /** @param bytes of a file that was added; less than 0: that was removed. */
    note(folder: string, bytes: number): void {
      const tally = known.get(folder);
      if (tally) tally.bytes += bytes + Math.sign(bytes || 1) * BESIDE;
    },
  };

  async function taken(folder: string, limitBytes: number): Promise<number> {
    const tally = known.get(folder);
    if (tally && (tally.bytes < limitBytes || clock.monotonic() - tally.at < AGAIN_MS)) return tally.bytes;
    // Where nothing can be measured, what is added from now on counts.
    const sizes = await diskTaken([folder], WITHIN_MS).catch(() => new Map<string, number>());
    // More files than can be counted in time are as good as no room.
    const bytes = sizes ? (sizes.get(folder) ?? 0) : Math.max(limitBytes, tally?.bytes ?? 0);
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(folder, { bytes, at: clock.monotonic() });
    return bytes;
  }
}
