import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  engine: Pick<Engine, 'remove'>;
  log: Logger;
}

export interface Strays {
  /**
   * Removes a container that nothing needs: an earlier host left it, or its end came to nothing. Resolves when it is gone, or has kept
   * the others waiting long enough.
   */
  remove(container: { name: string; labels: { session: string } }): Promise<void>;
  /**
   * Resolves when no stray of the session is left: one that lives would take up what is written for the next container. What could
   * not be removed before is tried again. @throws what the engine says.
   */
  gone(session: string): Promise<void>;
}

/** For how long anybody but its own session waits for the removal of a container, in milliseconds. */
const PATIENCE_MS = 5000;

/** One that the engine does not get rid of holds up its own session, and nobody else. */
export function createStrays({ engine, log }: Dependencies): Strays {
  /** Of each name that was not seen to go: its session, and the removal under way. */
  const left = new Map<string, { session: string; removal: Promise<void> }>();

  return {
    async remove({ name, labels }) {
      const patience = new AbortController();
      const removal = remove(name, labels.session).catch((error: unknown) =>
        log.error({ err: error, container: name }, 'a container that nothing needs could not be removed'),
      );
      const over = sleep(PATIENCE_MS, undefined, patience).catch(() => undefined);
      await Promise.race([removal, over]);
      patience.abort();
    },
    async gone(session) {
      for (const [name, stray] of left) {
        if (stray.session === session) await stray.removal.catch(() => remove(name, session));
      }
    },
  };

  async function remove(name: string, session: string): Promise<void> {
    const removal = engine.remove(name);
    left.set(name, { session, removal });
    await removal;
    // Another removal may be under way: it would take the next container for this one.
    if (left.get(name)?.removal === removal) left.delete(name);
  }
}
