import validateName from 'validate-npm-package-name';
import type { PackageItem } from './apt-item.ts';

/** Beyond the registry's rules: nothing that npm might take for a path, an option or a pattern. */
const PLAIN_NAME = /^(?:@[A-Za-z0-9][A-Za-z0-9._-]*\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** npm reads a word that ends so as a file. */
const FILE = /\.(?:tgz|tar\.gz|tar)$/i;
const TAG = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
/** What a range is made of: one to three numbers or `x`, and with three also a pre-release and a build. */
const VERSION =
  /^[vV]?(?:\d{1,9}|[xX*])(?:\.(?:\d{1,9}|[xX*])(?:\.(?:\d{1,9}|[xX*])(?:-[0-9A-Za-z.-]{1,64})?(?:\+[0-9A-Za-z.-]{1,64})?)?)?$/;
const OPERATOR = /^(?:[<>]=?|=|~>?|\^)/;

/**
 * Reads one item of `image.npm`: a package of the registry, `name`, or `name@` and a version, a range or a tag.
 * @returns the item, or why it is none. What comes back as an item is one word to npm and means a package of the registry.
 */
export function readNpmItem(item: string): PackageItem | { problem: string } {
  const at = item.indexOf('@', 1);
  const name = at < 0 ? item : item.slice(0, at);
  const problem = npmNameProblem(name);
  if (problem) return { problem };
  if (at < 0) return { name, word: name };
  const wanted = item
    .slice(at + 1)
    .trim()
    .replace(/\s+/g, ' ');
  if ((TAG.test(wanted) && !FILE.test(wanted)) || isRange(wanted)) return { name, word: `${name}@${wanted}` };
  const what = JSON.stringify(wanted);
  return {
    problem: /[:/]/.test(wanted)
      ? `${what} is an address or a path; allowed: packages of the npm registry only`
      : `${what} is not a version, a range or a tag, such as 1.6.0, ^1.6 or latest`,
  };
}

/** Why the text is no name of a package of the npm registry; `undefined` when it is one. */
export function npmNameProblem(name: string): string | undefined {
  if (name.startsWith('-')) return 'it begins with `-`, like an option; allowed: the name of an npm package';
  if (/[:/\\]/.test(name.replace(/^@[^/]*\//, '')) || name.startsWith('.') || FILE.test(name)) {
    return 'it is a path, a file or an address; allowed: packages of the npm registry only';
  }
  const { validForOldPackages, errors = [] } = validateName(name);
  if (!validForOldPackages) return `it is not the name of an npm package: ${errors.join(', ')}`;
  if (!PLAIN_NAME.test(name)) return 'it is not the name of an npm package: it has special characters';
  if (name.length > 214) return 'it is not the name of an npm package: it has more than 214 characters';
  return undefined;
}

/** A range as npm's semver reads it: sets joined by `||`, each comparators beside one another or `low - high`. */
function isRange(text: string): boolean {
  return text.split('||').every((set) => {
    const words = set
      .trim()
      .replace(/([<>]=?|=|~>?|\^) /g, '$1')
      .split(' ');
    if (words.length === 3 && words[1] === '-') return [words[0], words[2]].every(isVersion);
    return words.every((word) => isVersion(word.replace(OPERATOR, '')));
  });
}

function isVersion(word: string | undefined): boolean {
  return word !== undefined && VERSION.test(word);
}
