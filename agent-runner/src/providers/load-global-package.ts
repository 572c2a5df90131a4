import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TurnError } from './turn-error.ts';

/**
 * Imports a package that the group's image brings along, from where npm installs globally.
 * @param entry what is imported of it, such as `name/core`.
 * @param query with another one it is another module, and evaluated anew.
 * @throws TurnError that says how the package gets there.
 */
export async function loadGlobalPackage(name: string, entry = name, query = ''): Promise<unknown> {
  const folder = globalFolders().find((one) => existsSync(join(one, name, 'package.json')));
  if (folder === undefined) throw missingPackage(name);
  try {
    const path = createRequire(join(folder, 'from-here.js')).resolve(entry);
    return await import(`${pathToFileURL(path).href}${query}`);
  } catch (error) {
    const reason = (error as Error).message.split('\n', 1)[0];
    throw new TurnError(
      'permanent',
      `The npm package ${name} of this group's image cannot be loaded: ${reason}`,
      {
        cause: error,
      },
    );
  }
}

/** Where npm installs globally, beside what `NODE_PATH` names: under the prefix of npm's default, and beside this Node. */
function globalFolders(): string[] {
  const named = process.env.NODE_PATH?.split(delimiter).filter(Boolean) ?? [];
  return [
    ...named,
    '/usr/local/lib/node_modules',
    join(dirname(process.execPath), '..', 'lib', 'node_modules'),
  ];
}

/** The package is not in this image: how it gets there. */
export function missingPackage(name: string): TurnError {
  return new TurnError(
    'permanent',
    `The npm package ${name} is not installed in this group's image. Whoever runs Berth can see why with ` +
      '`berth images`, and builds the image with `npm run build-image <group>`.',
  );
}
