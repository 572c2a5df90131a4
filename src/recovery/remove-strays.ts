import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import { within } from './within.ts';

interface Dependencies {
  engine: Pick<Engine, 'remove'>;
  log: Logger;
  /** Pauses between two tries, in milliseconds; doubled each time. */
  againMs?: { first: number; longest: number };
}

export interface Strays {
  /**
   * Removes a container that nothing needs. Resolves when it is gone, or has kept the others waiting long enough; it is tried again by
   * itself until it is gone.
   * @returns whether it was seen to go.
   */
  remove(container: string, session: string): Promise<boolean>;
  /**
   * Resolves when no stray of the session is left: one that lives would take up what is written for the next container. What could
   * not be removed before is tried again. @throws what the engine says.
   */
  gone(session: string): Promise<void>;
  /** Nothing is tried again any more. */
  release: Release;
}

interface Stray {
  session: string;
  removal: Promise<void>;
  /** Of the next try by itself. */
  timer: NodeJS.Timeout | undefined;
  pauseMs: number;
}

/** For how long anybody waits for the removal of a container, in milliseconds. */
const PATIENCE_MS = 5000;
const AGAIN_MS = { first: 5000, longest: 5 * 60_000 };

/** One that the engine does not get rid of holds up its own session, and nobody else. */
export function createStrays({ engine, log, againMs = AGAIN_MS }: Dependencies): Strays {
  /** Of each name that was not seen to go: its session, and the removal that was tried last. */
  const left = new Map<string, Stray>();
  let closed = false;

  return {
    async remove(name, session) {
      const removal = remove(name, session).then(
        () => true,
        (error: unknown) => {
          log.error({ err: error, container: name }, 'a container could not be removed');
          return false;
        },
      );
      return (await within(removal, PATIENCE_MS)) ?? false;
    },
    async gone(session) {
      for (const [name, stray] of left) {
        if (stray.session === session) await stray.removal.catch(() => remove(name, session));
      }
    },
    release() {
      closed = true;
      for (const { timer } of left.values()) clearTimeout(timer);
    },
  };

  async function remove(name: string, session: string): Promise<void> {
    const before = left.get(name);
    clearTimeout(before?.timer);
    const removal = engine.remove(name);
    const pauseMs = before ? Math.min(2 * before.pauseMs, againMs.longest) : againMs.first;
    const stray: Stray = { session, removal, timer: undefined, pauseMs };
    left.set(name, stray);
    try {
      await removal;
    } catch (error) {
      if (left.get(name) === stray) tryLater(name, stray);
      throw error;
    }
    // Another removal may be under way: it would take the next container for this one.
    if (left.get(name) === stray) left.delete(name);
  }

  /** Its session may be deleted, or sleep for days: nobody else would ask for it, while it runs on unwatched. */
  function tryLater(name: string, stray: Stray): void {
    if (closed) return;
    stray.timer = setTimeout(() => {
      remove(name, stray.session).then(
        () => log.info({ container: name }, 'a container that could not be removed is gone'),
        (error: unknown) => log.warn({ err: error, container: name }, 'a container still cannot be removed'),
      );
    }, stray.pauseMs).unref();
  }
}
