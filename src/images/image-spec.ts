import { createHash } from 'node:crypto';
import { CONTRACT_VERSION } from '../../contract/version.ts';
import { BerthError } from '../errors.ts';
import type { BuiltDeclaration } from '../ledger/builds.ts';
import { type PackageItem, readAptItem } from './apt-item.ts';
import { npmNameProblem, readNpmItem } from './npm-item.ts';

/** A group's `image:`, checked: every package once, sorted, each item one word that means one package. */
export type ImageSpec = BuiltDeclaration;

/**
 * Version of the way from a declaration to an image. Another number makes other images of the same declarations. The
 * base image bears it as a label, because it holds the programs that the Dockerfile of a group calls.
 */
export const IMAGE_RECIPE = 1;

/** As many packages as one group may declare: beyond it, a base image of one's own serves better. */
const MOST_PACKAGES = 200;
const MOST_PROBLEMS = 10;

/**
 * Checks and normalises what a group declares.
 * @throws E_IMAGE_SPEC with every item that cannot be used, and why.
 */
export function imageSpec(declared: { apt: string[]; npm: string[]; scripts: string[] }): ImageSpec {
  const problems: string[] = [];
  const count = declared.apt.length + declared.npm.length;
  if (count > MOST_PACKAGES) {
    problems.push(
      `${count} packages are declared, at most ${MOST_PACKAGES} are allowed: put them into a base image of your own (BERTH_BASE_IMAGE)`,
    );
  }
  const spec = {
    apt: readList('apt', declared.apt, readAptItem, problems),
    npm: readList('npm', declared.npm, readNpmItem, problems),
    scripts: readList('scripts', declared.scripts, readScriptName, problems),
  };
  if (spec.scripts.length > 0 && spec.npm.length === 0)
    problems.push('image.scripts names packages, but image.npm has none');
  if (problems.length === 0) return spec;
  if (problems.length > MOST_PROBLEMS)
    problems.splice(MOST_PROBLEMS, Infinity, `and ${problems.length - MOST_PROBLEMS} more`);
  throw new BerthError('E_IMAGE_SPEC', problems.join('; '));
}

/** The same, for who need not say why: `undefined` where it is refused. */
export function readableSpec(declared: Parameters<typeof imageSpec>[0]): ImageSpec | undefined {
  try {
    return imageSpec(declared);
  } catch {
    return undefined;
  }
}

/** Nothing is declared: the group starts from the base image. */
export function isPlain(spec: ImageSpec): boolean {
  return spec.apt.length === 0 && spec.npm.length === 0;
}

/** Two declarations of the same key ask for the same. */
export function specKey({ apt, npm, scripts }: ImageSpec): string {
  return JSON.stringify([apt, npm, scripts]);
}

/** What decides how an image turns out: base image, declaration, recipe, contract. */
export function imageHash(baseId: string, spec: ImageSpec): string {
  const text = JSON.stringify([IMAGE_RECIPE, CONTRACT_VERSION, baseId, specKey(spec)]);
  return createHash('sha256').update(text).digest('hex').slice(0, 20);
}

/** The name of the image of that hash. */
export function imageTag(hash: string): string {
  return `berth-group:${hash}`;
}

function readScriptName(item: string): PackageItem | { problem: string } {
  const problem = npmNameProblem(item);
  return problem ? { problem: `${problem} (without a version)` } : { name: item, word: item };
}

function readList(
  key: string,
  items: string[],
  read: (item: string) => PackageItem | { problem: string },
  problems: string[],
): string[] {
  const words = new Map<string, string>();
  for (const raw of items) {
    const found = read(raw.trim());
    if ('problem' in found) {
      problems.push(`image.${key}: ${shown(raw)}: ${found.problem}`);
      continue;
    }
    const earlier = words.get(found.name);
    if (earlier !== undefined && earlier !== found.word) {
      problems.push(
        `image.${key}: ${found.name} is declared twice: ${shown(earlier)} and ${shown(found.word)}`,
      );
    }
    words.set(found.name, found.word);
  }
  return [...words.values()].sort();
}

function shown(item: string): string {
  return JSON.stringify(item.length > 80 ? `${item.slice(0, 80)}…` : item);
}
