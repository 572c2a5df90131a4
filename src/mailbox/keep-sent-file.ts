import { createReadStream, createWriteStream, fstatSync, type Stats } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openBeneath } from './open-beneath.ts';

const CHUNK = 256 * 1024;
/** A file system's names have 255 bytes, and ours get a little more in front. */
const LONGEST_NAME = 200;

export interface KeptFile {
  name: string;
  bytes: number;
}

/**
 * Copies a file that an agent sends out of its reach, so that nothing that the container does later (to the file, or
 * to the folders on its path) changes what people get. Opened without following any link, and judged by its
 * descriptor: a path can be swapped between a check and its use.
 *
 * @param out the session's `out/` folder; `path` is relative to it and comes from the container.
 * @param keep folder for the copy, the host's own.
 * @throws Error saying in words for a person what is wrong with the file; ENOSPC, EDQUOT as they come: the file is not to blame.
 */
export async function keepSentFile(
  out: string,
  file: { name: string; path: string },
  keep: string,
  maxBytes: number,
): Promise<KeptFile> {
  const name = safeName(file.name);
  const fd = openSent(out, file.path, name);
  // Closes the descriptor, also when nothing is read.
  const source = createReadStream('', { fd, highWaterMark: CHUNK });
  try {
    judge(fstatSync(fd), name, maxBytes);
    return { name, bytes: await copy(source, keep, name, maxBytes) };
  } finally {
    source.destroy();
  }
}

/** A name without folders, control characters and leading dots, of at most 200 bytes. */
export function safeName(name: string): string {
  const plain = basename(name.replaceAll('\\', '/'))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/^\.+/, '')
    .slice(-150)
    .toWellFormed()
    .trim();
  return lastBytes(plain).trim() || 'file';
}

/** The end, because that is where a name says what the file is. */
function lastBytes(name: string): string {
  const characters = [...name];
  while (Buffer.byteLength(characters.join('')) > LONGEST_NAME) characters.shift();
  return characters.join('');
}

function openSent(out: string, path: string, name: string): number {
  const [folder, ...rest] = posix.normalize(path).split('/');
  if (folder !== 'files' || rest.length === 0)
    throw new Error(`"${name}" does not lie in the folder for files`);
  try {
    return openBeneath(out, [folder, ...rest]);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`the file "${name}" does not exist`);
    if (code === 'ELOOP' || code === 'ENOTDIR')
      throw new Error(`"${name}" does not lie in the folder for files: its path is no plain one`);
    throw new Error(`the file "${name}" cannot be opened (${code})`);
  }
}

function judge(stat: Stats, name: string, maxBytes: number): void {
  if (!stat.isFile()) throw new Error(`"${name}" is not a regular file`);
  if (stat.nlink !== 1) throw new Error(`"${name}" has more than one link`);
  if (stat.size > maxBytes) throw new Error(`"${name}" has ${stat.size} bytes, ${maxBytes} are allowed`);
}

async function copy(
  source: NodeJS.ReadableStream,
  keep: string,
  name: string,
  maxBytes: number,
): Promise<number> {
  const temporary = join(keep, `.${name}.part`);
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= maxBytes) done(null, chunk);
      else done(new TooLarge(`"${name}" grew past ${maxBytes} bytes while it was read`));
    },
  });
  try {
    await mkdir(keep, { recursive: true, mode: 0o700 });
    await pipeline(source, count, createWriteStream(temporary, { mode: 0o600 }));
    await sync(temporary);
    await rename(temporary, join(keep, name));
    return bytes;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (error instanceof TooLarge || code === 'ENOSPC' || code === 'EDQUOT') throw error;
    // Not its message, which names folders of the host: this one is read by people in the chat.
    throw new Error(`the file "${name}" cannot be kept (${code})`, { cause: error });
  }
}

class TooLarge extends Error {}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
