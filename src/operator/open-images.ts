import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { createDockerEngine } from '../engines/docker.ts';
import { connectDocker } from '../engines/docker-connection.ts';
import type { Group } from '../groups/group.ts';
import type { LoadedGroup } from '../groups/load-groups.ts';
import type { GroupImages } from '../images/group-images.ts';
import { openGroupImages } from '../images/open-group-images.ts';
import { lockDataFolder } from '../ledger/data-lock.ts';
import { createLog } from '../log.ts';
import { ReleaseStack } from '../release-stack.ts';
import { startWriter } from '../writer/writer.ts';
import { groupOf } from './find-groups.ts';

/**
 * The images of all groups for a command that runs while no host does: takes the data folder's lock, does the work, and
 * gives everything back.
 * @throws E_DATA_LOCKED when somebody else holds the folder; what the work throws.
 */
export async function withImages<T>(
  config: Readonly<Config>,
  loaded: Map<string, LoadedGroup>,
  work: (images: GroupImages) => Promise<T>,
): Promise<T> {
  const releases = new ReleaseStack();
  try {
    releases.add('data folder', lockDataFolder(config.dataDir));
    const broken = Promise.withResolvers<never>();
    const path = join(config.dataDir, 'host.db');
    const writer = await startWriter({
      path,
      onStuck: () => undefined,
      onFull: () => undefined,
      onDeath: broken.reject,
    });
    releases.add('writer', () => writer.close());
    const log = createLog('silent');
    const engine = createDockerEngine({ connection: connectDocker(config.dockerHost), log });
    releases.add('engine', () => engine.close());
    const images = openGroupImages({
      config,
      engine,
      writer,
      log,
      install: await writer.run('installId'),
      clock: systemClock,
      group: (folder): Group => groupOf(loaded, folder),
      folders: () => [...loaded.keys()],
      onSwitched: () => undefined,
    });
    releases.add('images', () => images.close());
    return await Promise.race([work(images), broken.promise]);
  } finally {
    await releases.releaseAll();
  }
}
