// install-npm.mts [--script <package>]… -- <package[@version]>…
// Installs npm packages globally. None of their install scripts runs, except of packages named by --script; one that
// has such scripts and is not named is an error. Run as root by a build.

import { rmSync } from 'node:fs';
import { type FoundPackage, findGlobal, GLOBAL_DIR } from './find-global.mts';
import { fail, run, wordsOf } from './run.mts';

const CACHE = '/tmp/npm-cache';
const COMMON = [
  '--global',
  '--prefix=/usr/local',
  `--cache=${CACHE}`,
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--loglevel=error',
];

const { own, items } = wordsOf(process.argv.slice(2));
const allowed = own.filter((word) => word !== '--script');
const before = new Set(findGlobal(GLOBAL_DIR).map(({ path }) => path));
run('npm', ['install', '--ignore-scripts', ...COMMON, '--', ...items]);
const installed = findGlobal(GLOBAL_DIR).filter(({ path }) => !before.has(path));
const unnamed = installed.filter(({ name, script }) => script !== undefined && !allowed.includes(name));
if (unnamed.length > 0) refuse(unnamed);
const absent = allowed.filter((name) => !installed.some((found) => found.name === name));
if (absent.length > 0) fail(`not installed, but named in image.scripts: ${absent.join(' ')}`);
if (allowed.length > 0) {
  const allow = ['--ignore-scripts=false', '--foreground-scripts', `--allow-scripts=${allowed.join(',')}`];
  run('npm', ['rebuild', ...allow, ...COMMON, '--', ...allowed]);
}
rmSync(CACHE, { recursive: true, force: true });
rmSync('/root/.npm', { recursive: true, force: true });

/** The last line is for the host, which makes of it the line to add to `group.yaml`. */
function refuse(found: FoundPackage[]): never {
  for (const { name, version, script } of found) console.error(`${name}@${version} wants to run: ${script}`);
  fail(`install scripts not allowed: ${[...new Set(found.map(({ name }) => name))].sort().join(' ')}`);
}
