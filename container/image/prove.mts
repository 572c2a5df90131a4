// prove.mts [--apt <package>]… [--npm <package>]…
// Shows that an image works before anybody starts from it, and says what is inside. Run in a container with the same
// limits as a session's. Prints lines of JSON: {"apt": {…}} and {"npm": {…}} with versions, in pieces, and at the end
// {"ok": true} or {"problem": "…"}.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findGlobal, GLOBAL_DIR } from './find-global.mts';

const RUNNER = '/opt/berth/runner/main.cjs';
/** A line of a container's log has a bound. */
const PACKAGES_A_LINE = 100;

const wanted = (option: string) =>
  process.argv.flatMap((word, index) => (process.argv[index - 1] === option ? [word] : []));

try {
  checkRunner();
  tell('apt', checkDebian(wanted('--apt')));
  tell('npm', checkNpm(wanted('--npm')));
  print({ ok: true });
} catch (error) {
  print({ problem: (error as Error).message });
  process.exitCode = 1;
}

function checkRunner(): void {
  const { status, stdout, stderr } = output(process.execPath, [RUNNER, '--self-check']);
  if (status !== 0 || !/"ok": ?true/.test(stdout))
    throw new Error(`the runner does not work in it: ${lastLines(stderr || stdout)}`);
}

/** A name may be one that other packages provide. */
function checkDebian(names: string[]): Map<string, string> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's placeholders, not JavaScript's
  const form = '${db:Status-Status}\t${Package}\t${Version}\t${Provides}\n';
  const { stdout } = output('dpkg-query', ['--show', '--showformat', form]);
  const versions = new Map<string, string>();
  const provided = new Set<string>();
  for (const line of stdout.split('\n')) {
    const [status, name = '', version = '', provides = ''] = line.split('\t');
    if (status !== 'installed') continue;
    versions.set(name, version);
    for (const other of provides.split(',')) provided.add(other.trim().replace(/ .*/, ''));
  }
  const missing = names.find((name) => !versions.has(name) && !provided.has(name));
  if (missing) throw new Error(`the Debian package ${missing} is not installed in it`);
  return versions;
}

function checkNpm(names: string[]): Map<string, string> {
  if (names.length === 0) return new Map();
  const found = findGlobal(GLOBAL_DIR);
  for (const name of names) {
    const own = found.find(({ path }) => path === join(GLOBAL_DIR, name));
    if (!own) throw new Error(`the npm package ${name} is not installed in it`);
    const hidden = own.commands.find((command) => !isOnPath(command));
    if (hidden) throw new Error(`the command ${hidden} of the npm package ${name} is not on the PATH`);
  }
  const { stdout } = output('npm', [
    'ls',
    '--global',
    '--prefix=/usr/local',
    '--all',
    '--json',
    '--loglevel=silent',
    '--cache=/tmp/npm',
  ]);
  return npmVersions(JSON.parse(stdout) as NpmTree);
}

interface NpmTree {
  version?: string;
  dependencies?: Record<string, NpmTree>;
}

/** All of them, each name with every version that there is of it; npm's own bundle is left out. */
function npmVersions(tree: NpmTree, versions = new Map<string, string>()): Map<string, string> {
  for (const [name, node] of Object.entries(tree.dependencies ?? {})) {
    const known = versions.get(name)?.split(', ') ?? [];
    if (node.version && !known.includes(node.version))
      versions.set(name, [...known, node.version].join(', '));
    if (name !== 'npm') npmVersions(node, versions);
  }
  return versions;
}

function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function tell(kind: 'apt' | 'npm', versions: Map<string, string>): void {
  const all = [...versions];
  for (let from = 0; from < all.length; from += PACKAGES_A_LINE)
    print({ [kind]: Object.fromEntries(all.slice(from, from + PACKAGES_A_LINE)) });
}

function output(command: string, args: string[]): { status: number | null; stdout: string; stderr: string } {
  const limits = { encoding: 'utf8', timeout: 30_000, maxBuffer: 64 * 1024 * 1024 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, limits);
  if (error) throw new Error(`${command} cannot be run in it: ${error.message}`);
  return { status, stdout, stderr };
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ');
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
