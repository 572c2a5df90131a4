import { setTimeout as wait } from 'node:timers/promises';
import { BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type Freezer, findFreezer } from './cgroup-freezer.ts';
import type { DockerConnection } from './docker-connection.ts';

/** How long after a thaw the engine is told, in milliseconds: past the reply of a quick bot. */
const TOLD_AFTER_MS = 100;
/** For how long a container may stand still while the engine is told. */
const STANDS_STILL_MS = 250;
const AGAIN_MS = 1000;

interface Deps {
  connection: DockerConnection;
  log: Logger;
}

/** Pauses containers by the engine, and lets them go on without it where it can. */
export interface Pauses {
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  /** To be asked about each container that the engine calls paused. @returns whether it is. */
  isPaused(name: string, id: string): boolean;
  /** Waits until the engine's word about a container is true again. */
  settle(name: string): Promise<void>;
  /** It is gone. */
  forget(name: string): void;
  close(): void;
}

/** A container that goes on while the engine still calls it paused. */
interface Ahead {
  /** Ends the time before the engine is told. */
  hurry: AbortController;
  told: Promise<void>;
}

/**
 * The engine takes some 25 ms to let a container go on, nearly all of it to start a program that writes one word into
 * the container's cgroup. Somebody waits for that word, so it is written here; the engine, which would go on to call the container
 * paused, is told behind the reply: that program refuses what is not frozen, so the container stands still once more meanwhile.
 */
export function createPauses({ connection, log }: Deps): Pauses {
  const { docker, call } = connection;
  const freezers = new Map<string, Freezer>();
  const ahead = new Map<string, Ahead>();

  return {
    pause,
    async unpause(name) {
      if (ahead.has(name)) return;
      const freezer = freezers.get(name);
      if (!freezer?.isFrozen()) return unpauseByEngine(name);
      await call(`unpausing container ${name}`, async () => freezer.thaw());
      tellLater(name, freezer);
    },
    isPaused,
    settle,
    forget(name) {
      freezers.delete(name);
      ahead.get(name)?.hurry.abort();
    },
    close() {
      freezers.clear();
      for (const { hurry } of ahead.values()) hurry.abort();
    },
  };

  async function pause(name: string): Promise<void> {
    await settle(name);
    const wasPaused = !(await pauseByEngine(name));
    const id = await idOf(name);
    if (id === undefined) return;
    const freezer = findFreezer(id);
    // An earlier host ended between its thaw and the engine's word.
    if (wasPaused && freezer && !freezer.isFrozen()) {
      await tellOnce(name, freezer);
      await pauseByEngine(name);
    }
    isPaused(name, id);
  }

  /** @returns `undefined` where the engine does not say: then it is the engine that lets the container go on, too. */
  async function idOf(name: string): Promise<string | undefined> {
    try {
      return (await call(`inspecting container ${name}`, () => docker.getContainer(name).inspect())).Id;
    } catch {
      return undefined;
    }
  }

  function isPaused(name: string, id: string): boolean {
    if (ahead.has(name)) return false;
    const freezer = findFreezer(id);
    // A runtime with a way of its own (gVisor) pauses without it.
    if (freezer?.isFrozen()) freezers.set(name, freezer);
    return true;
  }

  async function settle(name: string): Promise<void> {
    const { hurry, told } = ahead.get(name) ?? {};
    hurry?.abort();
    await told;
  }

  function tellLater(name: string, freezer: Freezer): void {
    const hurry = new AbortController();
    const told = tell(name, freezer, hurry.signal).finally(() => ahead.delete(name));
    ahead.set(name, { hurry, told });
  }

  /** Resolves when the engine's word is true, or the container is gone. */
  async function tell(name: string, freezer: Freezer, hurry: AbortSignal): Promise<void> {
    for (let ms = TOLD_AFTER_MS; ; ms = AGAIN_MS) {
      await wait(ms, undefined, { signal: hurry, ref: false }).catch(() => undefined);
      if (freezers.get(name) !== freezer) return;
      try {
        await tellOnce(name, freezer);
        return;
      } catch (error) {
        log.debug({ err: error, container: name }, 'the engine goes on to call a container paused');
        if (hurry.aborted) return;
      }
    }
  }

  /** @throws when the engine was not told; the container goes on all the same. */
  async function tellOnce(name: string, freezer: Freezer): Promise<void> {
    await freezer.freeze(STANDS_STILL_MS);
    const late = setTimeout(() => thawQuietly(freezer), STANDS_STILL_MS);
    try {
      // Of the engine itself, which knows it already; "container not paused" would be its program's, and no success.
      await unpauseByEngine(name, 'is not paused');
    } finally {
      clearTimeout(late);
      thawQuietly(freezer);
    }
  }

  async function unpauseByEngine(name: string, harmless = 'not paused'): Promise<void> {
    await unlessAlready(harmless, () =>
      call(`unpausing container ${name}`, () => docker.getContainer(name).unpause()),
    );
  }

  /** @returns false: the engine calls it paused already. */
  function pauseByEngine(name: string): Promise<boolean> {
    return unlessAlready('already paused', () =>
      call(`pausing container ${name}`, () => docker.getContainer(name).pause()),
    );
  }
}

function thawQuietly(freezer: Freezer): void {
  try {
    freezer.thaw();
  } catch {
    // It is gone, and nothing stands still.
  }
}

/** A container that is as wanted already is no error: every step of the host may run twice. @returns false for such a one. */
async function unlessAlready(words: string, action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (error instanceof BerthError && error.message.includes(words)) return false;
    throw error;
  }
}
