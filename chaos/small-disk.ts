import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

const zeros = Buffer.alloc(4 * 1024 * 1024);

/** A disk in memory, small enough to be filled. */
export interface SmallDisk {
  readonly path: string;
  /** Takes a moment, in which the platform has to go on answering. */
  fill(): Promise<void>;
  /** Gives back what `fill` took. */
  makeRoom(): void;
  unmount(): Promise<void>;
}

/** Mounts it at `path`, which is made. Needs root. */
export async function mountDisk(path: string, megabytes: number): Promise<SmallDisk> {
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'berth-chaos', path]);
  const filler = join(path, 'filler');
  return {
    path,
    async fill() {
      const file = await open(filler, 'a');
      try {
        for (let free = freeBytes(path); free > 0; free = freeBytes(path))
          await file.write(zeros.subarray(0, Math.min(free, zeros.length)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    makeRoom: () => rmSync(filler, { force: true }),
    async unmount() {
      execFileSync('umount', ['-l', path]);
    },
  };
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
