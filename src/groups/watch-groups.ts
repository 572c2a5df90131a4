import { relative, sep } from 'node:path';
import { watch } from 'chokidar';
import type { Release } from '../release-stack.ts';

export interface WatchDependencies {
  groupsDir: string;
  /** Something was saved, appeared or vanished, or it is time to look anyway. */
  onLook: () => void;
  /** Watching failed, for instance for want of inotify watches. The look by timer goes on. */
  onError: (error: unknown) => void;
  /** How long it has to be quiet after a save: editors write several times, or by rename. */
  settleMs?: number | undefined;
  /** Period of the look by timer, for what events have missed. */
  lookMs?: number | undefined;
}

/** Somebody who saves without end is still heard after that many quiet times. */
const patience = 7;

/**
 * Watches the groups folder for `group.yaml` and `AGENTS.md`, and for nothing under `workspace/`, which may be huge.
 * Resolves once every change from now on is seen.
 */
export async function watchGroups({
  groupsDir,
  onLook,
  onError,
  settleMs = 150,
  lookMs = 10_000,
}: WatchDependencies): Promise<Release> {
  let settle: NodeJS.Timeout | undefined;
  let firstAt = 0;
  const look = () => {
    settle = undefined;
    onLook();
  };
  const onEvent = () => {
    if (!settle) firstAt = performance.now();
    clearTimeout(settle);
    const left = patience * settleMs - (performance.now() - firstAt);
    settle = setTimeout(look, Math.max(0, Math.min(settleMs, left)));
  };
  const slowLook = setInterval(onLook, lookMs).unref();
  const watcher = watch(groupsDir, {
    depth: 1,
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false,
    ignored: (path) => !concernsGroups(relative(groupsDir, path)),
  });
  watcher.on('all', onEvent).on('error', onError);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  return async () => {
    clearInterval(slowLook);
    clearTimeout(settle);
    await watcher.close();
  };
}

/** `path` is relative to the groups folder. What lies in it directly is taken for a group's folder. */
function concernsGroups(path: string): boolean {
  const [, file, ...rest] = path.split(sep);
  return file === undefined || (rest.length === 0 && (file === 'group.yaml' || file === 'AGENTS.md'));
}
