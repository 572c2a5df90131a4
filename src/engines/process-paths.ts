import type { Mount } from './engine.ts';

/** Folders of the container that no variable of the contract names; without mounts the runner could not find them. */
const UNNAMED: Record<string, string> = {
  BERTH_INSTRUCTIONS_DIR: '/instructions',
  BERTH_GLOBAL_DIR: '/global',
};

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
  const named = Object.entries(UNNAMED).filter(([, target]) =>
    mounts.some((mount) => mount.target === target),
  );
  return Object.fromEntries(
    [...named, ...Object.entries(environment)].map(([name, value]) => [name, toHostPath(value, mounts)]),
  );
}
