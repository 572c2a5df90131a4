import { FOLDER_VARIABLES } from '../../contract/environment.ts';
import type { Mount } from './engine.ts';

/** A path within a mount as the host knows it; anything else stays as it is. */
export function toHostPath(word: string, mounts: Mount[]): string {
  const covering = mounts.filter(({ target }) => word === target || word.startsWith(`${target}/`));
  const innermost = covering.sort((a, b) => b.target.length - a.target.length)[0];
  return innermost ? innermost.source + word.slice(innermost.target.length) : word;
}

/** The environment for a runner that sees the host's folders instead of mounts. */
export function toHostEnvironment(
  environment: Record<string, string>,
  mounts: Mount[],
): Record<string, string> {
  const named = Object.entries(FOLDER_VARIABLES).filter(([, target]) =>
    mounts.some((mount) => mount.target === target),
  );
  return Object.fromEntries(
    [...named, ...Object.entries(environment)].map(([name, value]) => [name, toHostPath(value, mounts)]),
  );
}
