import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { ContextFile } from './base-files.ts';

/** Folders that the Dockerfile copies: present also where nothing is in them. */
const FOLDERS = ['node', 'ca-certificates', 'accounts', 'berth'];

/** The build context as a tar, made while it is read; everything belongs to root and bears one time, so that caches hold. */
export function packContext(files: ContextFile[]): Readable {
  const tar = pack();
  const common = { uid: 0, gid: 0, mtime: new Date(0) };
  const write = async () => {
    for (const name of foldersOf(files)) tar.entry({ ...common, name, type: 'directory', mode: 0o755 });
    for (const file of files) {
      const head = { ...common, name: file.path, mode: file.mode };
      if ('content' in file) tar.entry({ ...head, size: file.content.length }, file.content);
      else await pipeline(createReadStream(file.source), tar.entry({ ...head, size: file.size }));
    }
    tar.finalize();
  };
  write().catch((error: Error) => tar.destroy(error));
  return Readable.from(tar, { objectMode: false });
}

function foldersOf(files: ContextFile[]): string[] {
  const folders = new Set(FOLDERS);
  for (const { path } of files) {
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) folders.add(path.slice(0, end));
  }
  return [...folders].sort();
}
