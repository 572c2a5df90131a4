import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';

/** What was copied, and what was not. */
export interface CopyCount {
  files: number;
  bytes: number;
  /** Paths below the top, each with the reason; the first hundred. */
  skipped: { path: string; why: string }[];
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
const CHUNK = 1024 * 1024;
const chunk = Buffer.alloc(CHUNK);
const zeros = Buffer.alloc(CHUNK);
/** Each folder on the way is held open. */
const DEEPEST = 200;
const MOST_SKIPPED = 100;

/**
 * Copies a folder that somebody hostile may be writing to: no link is followed, below the top folder every step goes through
 * an open descriptor (a path could be swapped between two looks), what is no file, folder or link stays out, and a file
 * is as long as it was when it was opened. Holes in files stay holes. Owners are kept where the process is root. Synchronous: for a
 * thread or a process of its own.
 *
 * @param source may itself be a link; one that does not exist is empty.
 * @throws what writing to `target` throws.
 */
export function copyTree(source: string, target: string, count: CopyCount): void {
  const folder = attempt(source, count, () => openSync(source, O_RDONLY | O_DIRECTORY));
  if (folder === undefined) return;
  try {
    mkdirSync(target, { recursive: true, mode: 0o700 });
    copyEntries(folder, Buffer.from(target), '', 0, count);
    keepFacts(target, fstatSync(folder));
  } finally {
    closeSync(folder);
  }
}

function copyEntries(folder: number, target: Buffer, shown: string, depth: number, count: CopyCount): void {
  const path = Buffer.from(`/proc/self/fd/${folder}`);
  for (const name of readdirSync(path, { encoding: 'buffer' })) {
    copyEntry(join(path, name), join(target, name), `${shown}${name.toString()}`, depth, count);
  }
}

function copyEntry(source: Buffer, target: Buffer, shown: string, depth: number, count: CopyCount): void {
  const stat = attempt(shown, count, () => lstatSync(source));
  if (!stat) return;
  if (stat.isSymbolicLink()) {
    const to = attempt(shown, count, () => readlinkSync(source, { encoding: 'buffer' }));
    if (to === undefined) return;
    symlinkSync(to, target);
    if (process.getuid?.() === 0) lchownSync(target, stat.uid, stat.gid);
  } else if (stat.isDirectory()) {
    if (depth === DEEPEST) skip(count, shown, `it lies more than ${DEEPEST} folders deep`);
    else
      opened(source, O_DIRECTORY, shown, count, (folder) => {
        mkdirSync(target, { mode: 0o700 });
        copyEntries(folder, target, `${shown}/`, depth + 1, count);
        keepFacts(target, fstatSync(folder));
      });
  } else if (stat.isFile()) {
    opened(source, O_NONBLOCK, shown, count, (file) => copyFile(file, target, shown, count));
  } else skip(count, shown, 'it is neither a file nor a folder nor a link');
}

/** Where it was swapped since it was looked at, opening fails, or the descriptor tells. */
function opened(
  path: Buffer,
  flags: number,
  shown: string,
  count: CopyCount,
  work: (descriptor: number) => void,
): void {
  const descriptor = attempt(shown, count, () => openSync(path, O_RDONLY | O_NOFOLLOW | flags));
  if (descriptor === undefined) return;
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function copyFile(source: number, target: Buffer, shown: string, count: CopyCount): void {
  const stat = fstatSync(source);
  if (!stat.isFile()) {
    skip(count, shown, 'it is no regular file');
    return;
  }
  const sink = openSync(target, 'wx', 0o600);
  try {
    let at = 0;
    while (at < stat.size) {
      const bytes = readSync(source, chunk, 0, Math.min(CHUNK, stat.size - at), at);
      if (bytes === 0) break;
      if (!chunk.subarray(0, bytes).equals(zeros.subarray(0, bytes))) writeAll(sink, bytes, at);
      at += bytes;
    }
    ftruncateSync(sink, at);
    count.files += 1;
    count.bytes += at;
  } finally {
    closeSync(sink);
  }
  keepFacts(target, stat);
}

function writeAll(sink: number, bytes: number, at: number): void {
  for (let done = 0; done < bytes; ) done += writeSync(sink, chunk, done, bytes - done, at + done);
}

function keepFacts(path: string | Buffer, { uid, gid, mode, atime, mtime }: Stats): void {
  if (process.getuid?.() === 0) lchownSync(path, uid, gid);
  chmodSync(path, mode & 0o777);
  utimesSync(path, atime, mtime);
}

/** What went away meanwhile is no loss; what cannot be read is left out, with the reason. */
function attempt<Result>(shown: string, count: CopyCount, read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') skip(count, shown, code === 'EACCES' ? 'it may not be read' : message);
    return undefined;
  }
}

function skip(count: CopyCount, path: string, why: string): void {
  if (count.skipped.length < MOST_SKIPPED) count.skipped.push({ path, why });
}

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.from('/'), name]);
}
