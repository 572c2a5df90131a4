import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { ContextFile } from './base-files.ts';

/** Folders that the base image's Dockerfile copies: present also where nothing is in them. */
const BASE_FOLDERS = ['ca-certificates', 'accounts', 'berth'];

/**
 * The build context as a tar. Everything belongs to root, can be read by everybody whatever the host's umask, and bears
 * one time, so that the builder's caches hold.
 */
export function packContext(files: ContextFile[], present = BASE_FOLDERS): Readable {
  const tar = pack();
  const common = { uid: 0, gid: 0, mtime: new Date(0) };
  for (const name of foldersOf(files, present))
    tar.entry({ ...common, name, type: 'directory', mode: 0o755 });
  for (const { path, content } of files) tar.entry({ ...common, name: path, mode: 0o644 }, content);
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

function foldersOf(files: ContextFile[], present: string[]): string[] {
  const folders = new Set(present);
  for (const { path } of files) {
    for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
      folders.add(path.slice(0, end));
    }
  }
  return [...folders].sort();
}
