import type { AwaitedImage } from '../groups/awaited-image.ts';
import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';

export interface ProvidesImages {
  /** Resolves when the group has an image with what its provider needs. @throws why there is none. */
  provide(group: Group, signal: AbortSignal): Promise<void>;
  /** What has to be made for that; `null`: nothing that is known of. */
  awaited(group: Group): AwaitedImage | null;
}

interface Dependencies {
  log: Logger;
  images: ProvidesImages;
  /** Says something to whoever waits for that session. */
  tell(session: string, text: string): void;
}

/** Who waits no longer than this is told nothing, in milliseconds; and how often somebody is told. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 60_000;

/**
 * Waits for the packages of the group's provider, or the base image, without a place of those that containers have. Who waits
 * for the session is told when it takes long.
 */
export async function awaitImage(
  { images, log, tell }: Dependencies,
  session: string,
  group: Group,
  signal: AbortSignal,
): Promise<void> {
  const say = () => {
    const awaited = images.awaited(group);
    // What has to be made is known once the engine has said what it has.
    timer = setTimeout(say, awaited ? AGAIN_MS : PATIENCE_MS);
    if (!awaited) return;
    log.info({ session, group: group.folder, ...awaited }, 'waits for an image to start from');
    const what =
      'base' in awaited ? 'building the base image' : `installing the packages of ${awaited.packages}`;
    tell(session, `${what}, which takes some minutes the first time`);
  };
  let timer = setTimeout(say, PATIENCE_MS);
  try {
    await images.provide(group, signal);
  } finally {
    clearTimeout(timer);
  }
}
