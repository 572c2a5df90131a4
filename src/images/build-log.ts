import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asBerthError, type BerthError } from '../errors.ts';

/** A build that prints more is cut off in its log, not in its course. */
const MOST_BYTES = 8 * 1024 * 1024;

/** The log file of one build. */
export interface BuildLog {
  path: string;
  line(text: string): void;
  /** What kept the log from being written, such as a full disk: the build is then told to end. */
  failed: Promise<BerthError>;
  close(): Promise<void>;
}

/** Opens `<data>/builds/<hash>/log`, in place of that of an earlier build. @throws E_DISK_FULL, E_DATA_DIR. */
export async function openBuildLog(dataDir: string, hash: string): Promise<BuildLog> {
  const folder = join(dataDir, 'builds', hash);
  const path = join(folder, 'log');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw asBerthError(error, 'E_DATA_DIR');
  }
  const stream = createWriteStream(path, { mode: 0o600 });
  const failed = Promise.withResolvers<BerthError>();
  stream.on('error', (error) => failed.resolve(asBerthError(error, 'E_DATA_DIR')));
  let left = MOST_BYTES;
  return {
    path,
    line(text) {
      if (left <= 0) return;
      left -= text.length + 1;
      stream.write(left > 0 ? `${text}\n` : 'Berth: this log is full; the build goes on.\n');
    },
    failed: failed.promise,
    close: () => new Promise((resolve) => (stream.destroyed ? resolve() : stream.end(() => resolve()))),
  };
}
