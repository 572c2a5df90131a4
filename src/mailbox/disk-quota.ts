import { execFile } from 'node:child_process';
import { lstat, mkdir, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Logger } from '../log.ts';

/** Folders that hold no more than they are given, where the file system offers that. */
export interface DiskQuota {
  /** Makes a folder that is not there, so that it can be limited where that is possible. */
  make(folder: string): Promise<void>;
  /**
   * What is in the folder may grow to that, in bytes, and not beyond. Nothing happens to one that was made where there was no
   * quota to be had.
   */
  limit(folder: string, bytes: number): Promise<void>;
}

const run = promisify(execFile);
/** `f_type` of btrfs in statfs(2), and the inode of each of its subvolumes, which is what it can limit. */
const BTRFS = 0x9123683e;
const SUBVOLUME_INODE = 256;

/** For a host that is no root, and for other file systems: `limits.disk` is watched there. */
export const noQuota: DiskQuota = {
  make: async (folder) => void (await mkdir(folder, { recursive: true, mode: 0o755 })),
  limit: async () => undefined,
};

/**
 * Finds out what the data folder's file system offers. Of btrfs with quotas on (btrfs-quota(8)) each folder becomes a subvolume
 * with a limit of its own.
 */
export async function openDiskQuota(dataDir: string, log: Logger): Promise<DiskQuota> {
  if (process.getuid?.() !== 0 || (await statfs(dataDir)).type !== BTRFS) return noQuota;
  try {
    await run('btrfs', ['qgroup', 'show', dataDir]);
  } catch (error) {
    const remedy = `install btrfs-progs and run \`btrfs quota enable ${dataDir}\`; without, limits.disk is only watched`;
    log.warn({ err: error }, `the data folder lies on btrfs, and its quotas cannot be used: ${remedy}`);
    return noQuota;
  }
  return {
    make: async (folder) => void (await run('btrfs', ['subvolume', 'create', folder])),
    async limit(folder, bytes) {
      if ((await lstat(folder)).ino !== SUBVOLUME_INODE) return;
      await run('btrfs', ['qgroup', 'limit', String(bytes), folder]);
    },
  };
}
