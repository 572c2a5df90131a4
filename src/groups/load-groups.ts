import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import type { Group } from './group.ts';
import { groupPaths } from './group-paths.ts';
import { type ParseContext, parseGroup } from './parse-group.ts';
import { fingerprintOf, readGroupFile } from './read-group-file.ts';

/** A folder that holds a `group.yaml`: what it declares, or why that cannot be used. */
export interface LoadedGroup {
  folder: string;
  /** Fingerprint of `group.yaml`: equal means untouched. `undefined`: to be read again in any case. */
  fingerprint?: string | undefined;
  /** Fingerprint of `AGENTS.md`; empty when there is none. */
  instructions: string;
  outcome: { group: Group } | { error: BerthError };
}

/** What a group's folder may be called. */
const folderName = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** The folder that all groups see as `/global`. */
const reserved = 'global';

/**
 * Reads every folder of the groups folder that holds a `group.yaml`. What is untouched since `before` is taken from there.
 * @throws E_CONFIG when the groups folder itself cannot be read.
 */
export async function loadGroups(
  groupsDir: string,
  context: Omit<ParseContext, 'folder' | 'file'> = {},
  before: ReadonlyMap<string, LoadedGroup> = new Map(),
): Promise<Map<string, LoadedGroup>> {
  const loaded = new Map<string, LoadedGroup>();
  // One after the other: hundreds of groups would otherwise hold hundreds of descriptors at once.
  for (const entry of await foldersOf(groupsDir)) {
    const group = await loadGroup(groupsDir, entry, context, before.get(entry.name));
    if (group) loaded.set(entry.name, group);
  }
  return loaded;
}

async function foldersOf(groupsDir: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(groupsDir, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    throw new BerthError(
      'E_CONFIG',
      `the groups folder ${groupsDir} cannot be read: ${(error as Error).message}`,
      error,
    );
  }
}

async function loadGroup(
  groupsDir: string,
  entry: Dirent,
  context: Omit<ParseContext, 'folder' | 'file'>,
  before: LoadedGroup | undefined,
): Promise<LoadedGroup | undefined> {
  const folder = entry.name;
  const paths = groupPaths(groupsDir, folder);
  const file = join(folder, 'group.yaml');
  const instructions = await touchedAt(paths.instructions);
  const refused = (message: string, cause?: unknown): LoadedGroup => {
    return { folder, instructions, outcome: { error: new BerthError('E_GROUP_CONFIG', message, cause) } };
  };
  try {
    const problem = folderProblem(entry);
    if (problem)
      return (await touchedAt(paths.file)) ? refused(`${JSON.stringify(file)}: ${problem}`) : undefined;
    const read = await readGroupFile(paths.file, before?.fingerprint);
    if (read === 'missing') return undefined;
    if (read === 'same') return before && { ...before, instructions };
    const outcome = outcomeOf(() => parseGroup(read.text, { ...context, folder, file }));
    return { folder, fingerprint: read.fingerprint, instructions, outcome };
  } catch (error) {
    return refused(`${file} cannot be read: ${(error as Error).message}`, error);
  }
}

function folderProblem(entry: Dirent): string | undefined {
  if (entry.isSymbolicLink()) return 'the folder is a symbolic link; allowed: a real folder';
  if (entry.name === reserved) return `the name ${reserved} is reserved for what all groups share`;
  if (!folderName.test(entry.name))
    return 'the name of the folder; allowed: at most 63 of a-z, 0-9, `.`, `_`, `-`, a letter or digit first';
  return undefined;
}

function outcomeOf(parse: () => Group): LoadedGroup['outcome'] {
  try {
    return { group: parse() };
  } catch (error) {
    if (error instanceof BerthError) return { error };
    throw error;
  }
}

/** Changes when the file does; empty when there is none. */
async function touchedAt(path: string): Promise<string> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  return stats ? fingerprintOf(stats) : '';
}
