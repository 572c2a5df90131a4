import { asBerthError, type ErrorCode } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';
import { cancelled } from './build-queue.ts';
import { wantedSpec } from './choose-image.ts';
import type { GroupStandings } from './group-standings.ts';
import { type ImageSpec, imageSpec, isPlain, specKey } from './image-spec.ts';
import type { ImageSource } from './obtain-image.ts';

interface Dependencies {
  source: ImageSource;
  standings: GroupStandings;
  log: Pick<Logger, 'info' | 'warn'>;
  /** @throws when the group is gone or was never valid. */
  group(folder: string): Group;
}

/** What passes by itself is tried again, later each time; in milliseconds. */
const AGAIN_MS = [60_000, 5 * 60_000, 15 * 60_000, 60 * 60_000];
const passing: ReadonlySet<ErrorCode> = new Set([
  'E_IMAGE_REGISTRY',
  'E_ENGINE_UNREACHABLE',
  'E_DISK_FULL',
  'E_BASE_SOURCE',
]);

type Wanted = ReturnType<typeof wantedSpec>;

interface Task {
  key: string;
  controller: AbortController;
  timer: NodeJS.Timeout | undefined;
  promise: Promise<void>;
}

/**
 * Keeps each group on an image of what it declares, in the background: `look` begins it, and what fails is logged, kept
 * with the group, and tried again if it may pass. One task per group; another declaration ends the one before.
 */
export function createKeeper(deps: Dependencies): {
  /** @param settleMs how long the declaration has to stay as it is before anything is built. */
  look(folder: string, settleMs?: number): void;
  /** Ends the group's task. */
  leave(folder: string): void;
  /** Resolves when no task is under way. */
  close(): Promise<void>;
} {
  const tasks = new Map<string, Task>();

  return {
    look(folder, settleMs = 0) {
      begin(folder, settleMs, 0);
    },
    leave,
    async close() {
      const all = [...tasks.entries()];
      for (const [folder] of all) leave(folder);
      await Promise.all(all.map(([, { promise }]) => promise));
    },
  };

  function leave(folder: string): void {
    const task = tasks.get(folder);
    if (!task) return;
    tasks.delete(folder);
    clearTimeout(task.timer);
    task.controller.abort(cancelled('another declaration has taken its place'));
    deps.standings.of(folder).pending = false;
  }

  function begin(folder: string, settleMs: number, attempt: number): void {
    const declared = readSpec(folder);
    const key = declared ? specKey(declared) : '';
    const running = tasks.get(folder);
    if (running && !running.timer && declared && running.key === key) return;
    leave(folder);
    if (!declared) return;
    const standing = deps.standings.of(folder);
    const wanted = wantedSpec(declared, standing);
    // What an operator went back to stays as it is, for as long as the engine has it.
    if (wanted.held !== null && !standing.gone) return;
    const controller = new AbortController();
    const task: Task = { key, controller, timer: undefined, promise: Promise.resolve() };
    const start = () => {
      task.timer = undefined;
      task.promise = keep(folder, wanted, task, attempt);
    };
    tasks.set(folder, task);
    if (settleMs > 0) task.timer = setTimeout(start, settleMs).unref();
    else start();
  }

  async function keep(folder: string, wanted: Wanted, task: Task, attempt: number): Promise<void> {
    const { spec, held } = wanted;
    const { signal } = task.controller;
    const { standings, log } = deps;
    try {
      if (isPlain(spec)) {
        if (standings.of(folder).current || standings.of(folder).problem)
          await standings.use(folder, undefined);
        return;
      }
      standings.of(folder).pending = true;
      const { build, built } = await deps.source.obtain({ spec, signal });
      // Somebody who built it meanwhile has ended what held it.
      if (signal.aborted || (held !== null && standings.of(folder).held !== held)) return;
      await standings.use(folder, build, held);
      if (built) log.info({ group: folder, image: build.image, packages: spec }, 'image built and in force');
    } catch (error) {
      if (!signal.aborted) failed(folder, error, attempt);
    } finally {
      if (!signal.aborted) standings.of(folder).pending = false;
      if (tasks.get(folder) === task && !task.timer) tasks.delete(folder);
    }
  }

  function failed(folder: string, error: unknown, attempt: number): void {
    const known = asBerthError(error, 'E_IMAGE_BUILD');
    deps.standings.fail(folder, known);
    const wait = passing.has(known.code) ? AGAIN_MS[Math.min(attempt, AGAIN_MS.length - 1)] : undefined;
    const inForce = deps.standings.of(folder).current?.image ?? 'the base image';
    deps.log.warn(
      { group: folder, code: known.code, inForce, againInMs: wait },
      `no new image: ${known.message}`,
    );
    const task = tasks.get(folder);
    if (wait === undefined || !task) return;
    task.timer = setTimeout(() => begin(folder, 0, attempt + 1), wait).unref();
  }

  /** A declaration that is refused is the group's problem, and nothing is built. */
  function readSpec(folder: string): ImageSpec | undefined {
    try {
      return imageSpec(deps.group(folder).image);
    } catch (error) {
      const known = asBerthError(error);
      if (known.code !== 'E_IMAGE_SPEC') return undefined;
      deps.standings.fail(folder, known);
      deps.log.warn({ group: folder, code: known.code }, known.message);
      return undefined;
    }
  }
}
