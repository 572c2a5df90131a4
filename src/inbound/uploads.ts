import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { InboundFile } from '../../contract/bodies.ts';
import { newId } from '../../contract/ids.ts';
import type { ChatAddress } from '../channels/channel.ts';
import type { Clock } from '../clock.ts';
import { asBerthError, BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import { fileType } from './file-type.ts';

const UNUSED_FOR_MS = 60 * 60 * 1000;
const UPLOAD_ID = /^up_[a-z0-9]{10,40}$/;

/**
 * Files that people send before the message that names them. They lie in a folder of their chat, so that no chat
 * can name another's; unused ones go after an hour.
 *
 * @param dataDir the host's data folder.
 */
export function createUploads(dataDir: string, maxBytes: number) {
  const root = join(dataDir, 'uploads');

  return {
    /** Stores the content durably. @returns the upload's id. @throws E_TOO_LARGE, E_DISK_FULL; nothing is left behind then. */
    async store(address: ChatAddress, content: Readable): Promise<string> {
      const folder = folderOf(root, address);
      const id = newId('up');
      const path = join(folder, id);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      try {
        // Readable to others, because the container's user is another; the folders above are closed to everybody else.
        await pipeline(content, limit(maxBytes), createWriteStream(path, { mode: 0o644, flush: true }));
        return id;
      } catch (error) {
        await rm(path, { force: true });
        throw asBerthError(error);
      }
    },

    /**
     * Links the uploads that a message names into the session's `in/files/<message>/`. They stay what they are until the message
     * is durable: where it is refused, or the host dies, the same message may come again.
     * @param now Unix milliseconds.
     * @throws E_UPLOAD_UNKNOWN, also where the hour is over.
     */
    async lend(
      address: ChatAddress,
      message: string,
      files: { upload: string; name: string }[],
      inFolder: string,
      now: number,
    ): Promise<InboundFile[]> {
      const folder = folderOf(root, address);
      const sizes = await Promise.all(files.map(({ upload }) => sizeOf(folder, upload, now)));
      const target = join(inFolder, 'files', message);
      await mkdir(target, { recursive: true, mode: 0o755 });
      const taken: InboundFile[] = [];
      for (const [index, { upload, name }] of files.entries()) {
        const stored = `${index + 1}-${storedName(name)}`;
        await link(join(folder, upload), join(target, stored));
        taken.push({
          name,
          path: `files/${message}/${stored}`,
          type: fileType(name),
          bytes: sizes[index] ?? 0,
        });
      }
      return taken;
    },

    /** The message that named them is durable: no other may. */
    async used(address: ChatAddress, files: { upload: string }[]): Promise<void> {
      const folder = folderOf(root, address);
      await Promise.all(files.map(({ upload }) => rm(join(folder, upload), { force: true })));
    },

    /** Removes what nobody used within the hour. */
    async prune(now: number): Promise<void> {
      for (const folder of await subfolders(root)) {
        for (const chat of await subfolders(folder)) {
          for (const name of await readdir(chat)) {
            const path = join(chat, name);
            const found = await stat(path).catch(() => undefined);
            if (found && isOver(found, now)) await rm(path, { force: true });
          }
        }
      }
    },

    async deleteChat(address: ChatAddress): Promise<void> {
      await rm(folderOf(root, address), { recursive: true, force: true });
    },
  };
}

const PRUNE_EVERY_MS = 10 * 60_000;

/** Removes unused uploads now and then, until released. */
export function pruneUploads(deps: { uploads: Uploads; clock: Clock; log: Logger }): Release {
  const timer = setInterval(() => {
    deps.uploads.prune(deps.clock.now()).catch((error: unknown) => {
      deps.log.warn({ err: error }, 'pruning uploads failed');
    });
  }, PRUNE_EVERY_MS);
  return () => clearInterval(timer);
}

export type Uploads = ReturnType<typeof createUploads>;

function folderOf(root: string, { channel, group, chat }: ChatAddress): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([channel, chat]))
    .digest('hex')
    .slice(0, 32);
  return join(root, group, hash);
}

function isOver({ mtimeMs }: { mtimeMs: number }, now: number): boolean {
  return now - mtimeMs > UNUSED_FOR_MS;
}

async function sizeOf(folder: string, upload: string, now: number): Promise<number> {
  const unknown = () =>
    new BerthError('E_UPLOAD_UNKNOWN', `there is no upload "${upload.slice(0, 60)}" in this chat`);
  if (!UPLOAD_ID.test(upload)) throw unknown();
  const found = await stat(join(folder, upload)).catch(() => undefined);
  if (!found || isOver(found, now)) throw unknown();
  return found.size;
}

function limit(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) done(new BerthError('E_TOO_LARGE', `the file has more than ${maxBytes} bytes`));
      else done(null, chunk);
    },
  });
}

/** A name that is harmless in any shell and on any file system. */
function storedName(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._-]/g, '_')
      .replace(/^\.+/, '')
      .slice(-100) || 'file'
  );
}

async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
