import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';

interface Dependencies {
  log: Logger;
  images: {
    /** Resolves when the group has an image with what its provider needs. @throws why there is none. */
    provide(group: Group, signal: AbortSignal): Promise<void>;
  };
  /** Says something to whoever waits for that session. */
  tell(session: string, text: string): void;
}

/** Who waits no longer than this is told nothing, in milliseconds; and how often somebody is told. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 60_000;

/**
 * Waits for the packages of the group's provider, without a place of those that containers have. Who waits for the session is
 * told when it takes long.
 */
export async function awaitImage(
  { images, log, tell }: Dependencies,
  session: string,
  group: Group,
  signal: AbortSignal,
): Promise<void> {
  const say = () => {
    log.info({ session, group: group.folder }, 'waits for the packages of its provider');
    tell(
      session,
      `installing the packages of ${group.agent.provider}, which takes some minutes the first time`,
    );
    timer = setTimeout(say, AGAIN_MS);
  };
  let timer = setTimeout(say, PATIENCE_MS);
  try {
    await images.provide(group, signal);
  } finally {
    clearTimeout(timer);
  }
}
