import { type BigIntStats, constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** A `group.yaml` as it was when it was read. */
export interface ReadFile {
  text: string;
  /** Changes when the file does; `undefined` when it is so young that a further change might not show in its times. */
  fingerprint: string | undefined;
}

/** File systems count time in steps of up to two seconds: two writes within one step look alike. */
const timeStepMs = 2000;

const mostBytes = 64 * 1024;

/**
 * Reads a `group.yaml`: a regular file, no link, at most 64 KiB of UTF-8. `same`: its fingerprint is still `known`.
 * @throws Error with the reason in words.
 */
export async function readGroupFile(
  path: string,
  known: string | undefined,
): Promise<ReadFile | 'missing' | 'same'> {
  const file = await openPlain(path);
  if (file === undefined) return 'missing';
  try {
    const stats = await file.stat({ bigint: true });
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > mostBytes)
      throw new Error(`it has ${stats.size} bytes, at most ${mostBytes} are allowed`);
    const fingerprint = fingerprintOf(stats);
    if (fingerprint === known) return 'same';
    // One byte more than is allowed: a file that grew since then is seen, and never read whole.
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(mostBytes + 1), position: 0 });
    if (bytesRead > mostBytes) throw new Error(`it has more than the ${mostBytes} bytes that are allowed`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead));
    return { text, fingerprint: Date.now() - Number(stats.ctimeMs) > timeStepMs ? fingerprint : undefined };
  } finally {
    await file.close();
  }
}

/** Changes when the file is written, replaced or touched. */
export function fingerprintOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** Neither follows a link nor waits for a pipe's other end. */
async function openPlain(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') throw new Error('it is a symbolic link', { cause: error });
    throw error;
  }
}
