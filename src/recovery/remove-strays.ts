import type { Engine } from '../engines/engine.ts';
import type { Logger } from '../log.ts';
import { within } from './within.ts';

interface Dependencies {
  engine: Pick<Engine, 'remove'>;
  log: Logger;
}

export interface Strays {
  /**
   * Removes a container that nothing needs. Resolves when it is gone, or has kept the others waiting long enough.
   * @returns whether it was seen to go.
   */
  remove(container: string, session: string): Promise<boolean>;
  /**
   * Resolves when no stray of the session is left: one that lives would take up what is written for the next container. What could
   * not be removed before is tried again. @throws what the engine says.
   */
  gone(session: string): Promise<void>;
}

/** For how long anybody waits for the removal of a container, in milliseconds. */
const PATIENCE_MS = 5000;

/** One that the engine does not get rid of holds up its own session, and nobody else. */
export function createStrays({ engine, log }: Dependencies): Strays {
  /** Of each name that was not seen to go: its session, and the removal under way. */
  const left = new Map<string, { session: string; removal: Promise<void> }>();

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
  };

  async function remove(name: string, session: string): Promise<void> {
    const removal = engine.remove(name);
    left.set(name, { session, removal });
    await removal;
    // Another removal may be under way: it would take the next container for this one.
    if (left.get(name)?.removal === removal) left.delete(name);
  }
}
