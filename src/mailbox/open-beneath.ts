import { closeSync, constants, openSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Linux: a descriptor that only names a folder. Node has no name for it. */
const O_PATH = 0o10000000;
/** macOS: no component of the path may be a link. */
const O_NOFOLLOW_ANY = 0x20000000;

/**
 * Opens a file for reading beneath a folder whose owner may swap anything in it at any moment for a link or a FIFO. No
 * link is followed, neither the folder itself nor a component of the path, and the open never waits. What was
 * opened may still be anything but a link: judge the descriptor.
 *
 * @param names components of the path; each a plain name, never `..`.
 * @returns a descriptor that the caller closes.
 * @throws ENOENT; ELOOP or ENOTDIR for a link; ENXIO, EACCES …
 */
export function openBeneath(folder: string, names: readonly string[]): number {
  if (names.length === 0 || !names.every(isPlainName))
    throw Object.assign(new Error('the path leads out of its folder'), { code: 'ELOOP' });
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  if (process.platform !== 'linux')
    return openSync(join(realpathSync(folder), ...names), flags | O_NOFOLLOW_ANY);
  let at = openSync(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    for (const name of names.slice(0, -1)) {
      const next = openSync(`/proc/self/fd/${at}/${name}`, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      closeSync(at);
      at = next;
    }
    return openSync(`/proc/self/fd/${at}/${names.at(-1)}`, flags);
  } finally {
    closeSync(at);
  }
}

function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}
