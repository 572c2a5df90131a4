import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../errors.ts';
import { readGroupFile } from '../groups/read-group-file.ts';
import { readYaml } from '../groups/read-yaml.ts';
import { flag, list, mapping, plainText, text } from '../groups/shape-pieces.ts';
import { describeIssues, describeProblems } from '../groups/yaml-problems.ts';

/** A folder of the host under which groups may have mounts. */
export interface MountRoot {
  path: string;
  /** Whether containers may write to what is mounted from there. */
  readwrite: boolean;
  /** Folders of the groups that may; `undefined`: all. */
  groups?: string[] | undefined;
}

/** Where the operator's list lies: outside of everything that is ever mounted. */
export function mountsFile(home: string): string {
  return join(home, '.config', 'berth', 'mounts.yaml');
}

/**
 * Reads the list of roots.
 * @returns `undefined` when there is no list: then nothing extra is mounted.
 * @throws E_MOUNTS_CONFIG with every problem, by line; also when others than its owner may write the file.
 */
export async function readMountRoots(home: string): Promise<MountRoot[] | undefined> {
  const file = mountsFile(home);
  const content = await readList(file);
  if (content === undefined) return undefined;
  const yaml = readYaml(content);
  if ('problems' in yaml) throw new BerthError('E_MOUNTS_CONFIG', describeProblems(file, yaml.problems));
  const { success, data, error } = shape(home).safeParse(yaml.value);
  if (!success) throw new BerthError('E_MOUNTS_CONFIG', describeIssues(file, error.issues, yaml));
  return data.roots;
}

async function readList(file: string): Promise<string | undefined> {
  try {
    const read = await readGroupFile(file, undefined);
    if (typeof read === 'string') return undefined;
    const { mode } = await lstat(file);
    if ((mode & 0o022) !== 0) throw new Error('others than its owner may write it (chmod go-w)');
    return read.text;
  } catch (error) {
    throw new BerthError('E_MOUNTS_CONFIG', `${file} cannot be used: ${(error as Error).message}`, error);
  }
}

function shape(home: string) {
  const allowed = 'an absolute path, or one that begins with `~/`, without `..`';
  const path = plainText(allowed)
    .regex(/^(\/|~\/|~$)/, allowed)
    .refine((value) => !value.split('/').includes('..'), allowed)
    .transform((value) => (value.startsWith('~') ? join(home, value.slice(1)) : value));
  const root = mapping({
    path,
    readwrite: flag().default(false),
    groups: list(text(63), 'a list of names of groups', 1).optional(),
  });
  return mapping({ roots: list(root, 'a list of mappings with the keys path, readwrite, groups') });
}
