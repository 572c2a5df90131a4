import { constants, promises } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { newId } from '../../contract/ids.ts';
import type { ComposedRow, OutboundRow } from './compose-rows.ts';

/** The host takes no more with one reply. */
const MOST_FILES = 20;

export interface StoreFilesDeps {
  outDir: string;
  groupDir: string;
  /** Bytes. */
  maxFile: number;
  log(line: string): void;
}

/**
 * Gives rows their ids and copies their files to `out/files/<row id>/`, durably, before the rows are written. A file
 * that cannot be sent does not take the reply with it: the text says which one is missing and why.
 */
export async function storeFiles(deps: StoreFilesDeps, rows: ComposedRow[]): Promise<OutboundRow[]> {
  return Promise.all(rows.map((row) => storeRow(deps, row)));
}

/** A row without files, without any waiting. */
export function storeNothing(row: ComposedRow): OutboundRow {
  return { ...row, id: newId('out'), files: [] };
}

async function storeRow(deps: StoreFilesDeps, row: ComposedRow): Promise<OutboundRow> {
  const stored = storeNothing(row);
  if (row.files.length > MOST_FILES) {
    stored.text =
      `${stored.text}\n\n[Only the first ${MOST_FILES} of ${row.files.length} files were sent.]`.trimStart();
  }
  for (const file of row.files.slice(0, MOST_FILES)) {
    const source = resolve(deps.groupDir, file.path);
    const name = freeName(
      safeName(file.name ?? basename(source)),
      new Set(stored.files.map((one) => one.name)),
    );
    const path = join('files', stored.id, name);
    try {
      await copy(source, join(deps.outDir, path), deps.maxFile);
      stored.files.push({ name, path });
    } catch (error) {
      deps.log(`the file ${source} is not sent: ${(error as Error).message}`);
      stored.text =
        `${stored.text}\n\n[The file ${name} was not sent: ${(error as Error).message}.]`.trimStart();
    }
  }
  return stored;
}

async function copy(source: string, target: string, maxFile: number): Promise<void> {
  const found = await promises.stat(source).catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === 'ENOENT' ? 'there is no such file' : error.message);
  });
  if (!found.isFile()) throw new Error('it is not a regular file');
  if (found.size > maxFile) throw new Error(`it has ${found.size} bytes, and ${maxFile} are allowed`);
  await promises.mkdir(join(target, '..'), { recursive: true });
  await promises.copyFile(source, target, constants.COPYFILE_FICLONE);
  const handle = await promises.open(target, 'r+');
  await handle.sync().finally(() => handle.close());
}

/** A name that is one plain path segment: no slashes, no control characters, not hidden, short enough for any file system. */
function safeName(name: string): string {
  const plain = name
    .replace(/[/\\\p{Cc}\p{Cf}]/gu, '_')
    .replace(/^[.\s]+/, '')
    .trim();
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(plain)?.[0] ?? '';
  return [...plain.slice(0, plain.length - extension.length)].slice(0, 50).join('') + extension || 'file';
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${number}-${name}`;
    if (!taken.has(candidate)) return candidate;
  }
}
