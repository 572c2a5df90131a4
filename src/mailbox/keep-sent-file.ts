import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, realpath, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';

const CHUNK = 256 * 1024;

export interface KeptFile {
  name: string;
  bytes: number;
}

/**
 * Copies a file that an agent sends out of its reach, so that nothing that the container does later (to the file, or
 * to the folders on its path) changes what people get. Judged is the open descriptor, not the path: a path can be
 * swapped between a check and its use.
 *
 * @param out the session's `out/` folder; `path` is relative to it and comes from the container.
 * @param keep folder for the copy, the host's own.
 * @throws Error saying in words for a person what is wrong with the file.
 */
export async function keepSentFile(
  out: string,
  file: { name: string; path: string },
  keep: string,
  maxBytes: number,
): Promise<KeptFile> {
  const name = safeName(file.name);
  // Of the folder above alone, which is a mount: `files` itself is the container's, and may be a link to anywhere.
  const root = join(await realpath(out), 'files');
  const source = await open(
    join(out, file.path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT'
        ? `the file "${name}" does not exist`
        : `the file "${name}" cannot be opened (${error.code})`,
    );
  });
  try {
    await judge(source, root, name, maxBytes);
    await mkdir(keep, { recursive: true, mode: 0o700 });
    const temporary = join(keep, `.${name}.part`);
    const bytes = await copy(source, temporary, name, maxBytes);
    await rename(temporary, join(keep, name));
    return { name, bytes };
  } finally {
    await source.close();
  }
}

/** A name without folders, control characters and leading dots, of at most 150 characters. */
export function safeName(name: string): string {
  const plain = basename(name.replaceAll('\\', '/'))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/^\.+/, '')
    .slice(-150)
    .trim();
  return plain || 'file';
}

async function judge(source: FileHandle, root: string, name: string, maxBytes: number): Promise<void> {
  const stat = await source.stat();
  if (!stat.isFile()) throw new Error(`"${name}" is not a regular file`);
  if (stat.nlink !== 1) throw new Error(`"${name}" has more than one link`);
  if (stat.size > maxBytes) throw new Error(`"${name}" has ${stat.size} bytes, ${maxBytes} are allowed`);
  const real = await readlink(`/proc/self/fd/${source.fd}`);
  if (!real.startsWith(`${root}/`)) throw new Error(`"${name}" does not lie in the folder for files`);
}

async function copy(source: FileHandle, target: string, name: string, maxBytes: number): Promise<number> {
  const sink = await open(target, 'w', 0o600);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await source.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) break;
      bytes += bytesRead;
      if (bytes > maxBytes) throw new Error(`"${name}" grew past ${maxBytes} bytes while it was read`);
      await sink.writeFile(buffer.subarray(0, bytesRead));
    }
    await sink.sync();
    return bytes;
  } finally {
    await sink.close();
  }
}
