/** What a declared package is called, and the word that its command gets. */
export interface PackageItem {
  name: string;
  word: string;
}

/** Debian Policy 5.6.1: lower-case letters, digits, `+`, `-`, `.`; at least two characters, the first a letter or digit. */
const NAME = /^[a-z0-9][a-z0-9+.-]{1,127}$/;
/** Debian Policy 5.6.12: `[epoch:]upstream[-revision]`; here `*` may stand for a part, as apt allows. */
const PIN = /^(?:\d{1,9}:)?\d[A-Za-z0-9.+~*-]{0,127}$/;

/**
 * Reads one item of `image.apt`: a Debian package name, or `name=version`.
 * @returns the item, or why it is none. What comes back as an item is one word to apt and means exactly this package.
 */
export function readAptItem(item: string): PackageItem | { problem: string } {
  const [name = '', pin, ...more] = item.split('=');
  if (more.length > 0) return { problem: 'it has more than one `=`; allowed: a name, or name=version' };
  if (!NAME.test(name)) return { problem: nameProblem(name) };
  // apt reads a `-` at the end of a word as an order to remove, and a `+` after a version as one to install.
  if (item.endsWith('-')) return { problem: 'apt would take the `-` at its end as an order to remove it' };
  if (pin === undefined) return { name, word: name };
  if (!PIN.test(pin) || pin.endsWith('+')) {
    return {
      problem: `its version ${JSON.stringify(pin)} is not a Debian version, such as 7.88.1-10 or 7.88*`,
    };
  }
  return { name, word: `${name}=${pin}` };
}

function nameProblem(name: string): string {
  if (NAME.test(name.toLowerCase())) return 'the names of Debian packages have no capital letters';
  return 'the name of a Debian package has only a-z, 0-9, `+`, `-`, `.`, at least two, a letter or digit first';
}
