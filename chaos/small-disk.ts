import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A disk in memory, small enough to be filled. */
export interface SmallDisk {
  readonly path: string;
  fill(): void;
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
    fill() {
      const file = openSync(filler, 'a');
      try {
        for (let free = freeBytes(path); free > 0; free = freeBytes(path))
          writeSync(file, Buffer.alloc(Math.min(free, 8 * 1024 * 1024)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(file);
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
