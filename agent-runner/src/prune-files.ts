import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Removes what lies under `out/files` without a row: files of rows that were pruned (the host has its own copies by
 * then), and what a crash left of a turn. Not while a turn runs.
 */
export function pruneFiles(outDir: string, rowIds: ReadonlySet<string>): void {
  const folder = join(outDir, 'files');
  for (const name of namesIn(folder)) {
    if (!rowIds.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // No file was ever sent.
  }
}
