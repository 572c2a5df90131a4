import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where `npm install --global` puts packages beside a Node in `/usr/local/bin`. */
export const GLOBAL_DIR = '/usr/local/lib/node_modules';

export interface FoundPackage {
  path: string;
  /** Of its folder: what it calls itself may be somebody else's name. */
  name: string;
  version: string;
  /** What npm would run at its installation; none: it is only unpacked. */
  script: string | undefined;
  /** Commands that it brings. */
  commands: string[];
}

interface Manifest {
  name?: string;
  version?: string;
  scripts?: Record<string, string>;
  gypfile?: boolean;
  bin?: string | Record<string, string>;
  bundleDependencies?: string[] | boolean;
  bundledDependencies?: string[] | boolean;
}

/** All packages under a `node_modules`, at any depth. npm itself and what comes in its bundle are left out. */
export function findGlobal(modules: string): FoundPackage[] {
  return packageFolders(modules).flatMap((name) => {
    const path = join(modules, name);
    const manifest = readManifest(path);
    if (!manifest || path === join(GLOBAL_DIR, 'npm')) return [];
    const bundled = bundledBy(manifest);
    const nested = findGlobal(join(path, 'node_modules')).map((inner) =>
      // npm runs no scripts of what a package brings in its own bundle.
      bundled(inner.path.slice(path.length + '/node_modules/'.length))
        ? { ...inner, script: undefined }
        : inner,
    );
    return [describe(path, name, manifest), ...nested];
  });
}

/** npm would compile what has a `binding.gyp` and no install script of its own. */
function describe(path: string, name: string, manifest: Manifest): FoundPackage {
  const { version = '?', scripts = {}, gypfile, bin } = manifest;
  const { preinstall, install, postinstall } = scripts;
  const compiles = !preinstall && !install && gypfile !== false && existsSync(join(path, 'binding.gyp'));
  const script = preinstall ?? install ?? postinstall ?? (compiles ? 'node-gyp rebuild' : undefined);
  const short = (manifest.name ?? name).replace(/^@[^/]+\//, '');
  const commands = typeof bin === 'string' ? [short] : Object.keys(bin ?? {});
  return { path, name, version, script, commands };
}

function packageFolders(modules: string): string[] {
  if (!existsSync(modules)) return [];
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    );
}

function readManifest(path: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}

function bundledBy({ bundleDependencies, bundledDependencies }: Manifest): (folder: string) => boolean {
  const names = bundleDependencies ?? bundledDependencies ?? [];
  if (typeof names === 'boolean') return () => names;
  return (folder) => names.some((name) => folder === name || folder.startsWith(`${name}/`));
}
