// install-apt.mts -- <package[=version]>…
// Installs Debian packages into an image, in one step that leaves no package lists behind. Run as root by a build.

import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, wordsOf } from './run.mts';

const OPTIONS = [
  '-o',
  'Acquire::Retries=2',
  '-o',
  'Acquire::http::Timeout=30',
  '-o',
  'Acquire::https::Timeout=30',
  // No word is a pattern: without this, apt would take `lib.` for every package that matches it.
  '-o',
  'APT::Cmd::Pattern-Only=true',
  // The image is thrown away when its build does not end: dpkg need not wait for the disk, which the host commits to.
  '-o',
  'Dpkg::Options::=--force-unsafe-io',
  '-o',
  'Dpkg::Options::=--force-confold',
  '-o',
  'Dpkg::Use-Pty=0',
];
/** apt waits without end for lists that the disk has no room for. */
const UPDATE_LIMIT_MS = 5 * 60_000;
const POLICY = '/usr/sbin/policy-rc.d';

const { items } = wordsOf(process.argv.slice(2));
const env = { DEBIAN_FRONTEND: 'noninteractive' };
// Debian starts what it installs; in a build nothing is to be started.
const ownPolicy = !existsSync(POLICY);
if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
run('apt-get', ['update', '--error-on=any', ...OPTIONS], { env, limitMs: UPDATE_LIMIT_MS });
// What the base image needs is not removed for the sake of a package; a pin may be older than what is there.
const how = ['--yes', '--no-install-recommends', '--no-remove', '--allow-downgrades'];
run('apt-get', ['install', ...how, ...OPTIONS, '--', ...items], { env });
if (ownPolicy) rmSync(POLICY);
for (const folder of ['/var/lib/apt/lists', '/var/cache/apt', '/var/log/apt']) {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}
