import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import { connectDocker } from '../engines/docker-connection.ts';
import { createDockerImages } from '../engines/docker-images.ts';
import { createDockerShelf } from '../engines/docker-shelf.ts';
import type { Engine } from '../engines/engine.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import { createBuildReads } from '../ledger/build-reads.ts';
import { openLedgerForReading } from '../ledger/open-database.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import { DEFAULT_LIMIT_MS, DEFAULT_LIMITS } from './build-image.ts';
import { createGroupImages, type GroupImages } from './group-images.ts';

/** So many builds run at once; each has a processor for itself at most. */
const SIDE_BY_SIDE = 2;

interface Dependencies {
  config: Readonly<Config>;
  engine: Engine;
  writer: Pick<Writer, 'run'>;
  install: string;
  clock: Clock;
  log: Pick<Logger, 'info' | 'warn'>;
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): Group;
  /** Folders of all groups, those included whose `group.yaml` is not valid now. */
  folders(): string[];
  onSwitched(folder: string): void;
}

/** The images of all groups over a ledger that is open already; nothing is done before `start`. */
export function openGroupImages(deps: Dependencies): GroupImages {
  const { config, engine } = deps;
  if (engine.kind !== 'docker') return withoutImages(config.baseImage);
  const { dataDir, baseImage: image, baseFrom: from, caBundle, uidBase } = config;
  const connection = connectDocker(config.dockerHost);
  const reads = createBuildReads(openLedgerForReading(join(dataDir, 'host.db')));
  const images = createGroupImages({
    ...deps,
    images: createDockerImages(connection),
    shelf: createDockerShelf(connection),
    reads,
    dataDir,
    uidBase,
    base: { image, from, caBundle, uidBase },
    limits: DEFAULT_LIMITS,
    limitMs: DEFAULT_LIMIT_MS,
    sideBySide: SIDE_BY_SIDE,
  });
  return {
    ...images,
    async close() {
      await images.close();
      reads.close();
      connection.close();
    },
  };
}

/** For child processes, which have the host's own programs and no image. */
function withoutImages(baseImage: string): GroupImages {
  const refuse = (): never => {
    throw new BerthError('E_ENGINE_UNREACHABLE', 'without a container engine there are no images');
  };
  const choice = ({ image: { apt, npm } }: Group) => {
    if (apt.length + npm.length === 0) return { image: baseImage };
    const packages = [...apt, ...npm].join(', ');
    return {
      image: baseImage,
      notice: `This place is no container, and nothing is installed for it: ${packages}.`,
    };
  };
  return {
    imageNow: choice,
    imageFor: async (group) => choice(group),
    provide: async () => undefined,
    awaited: () => null,
    imageGone: async (group) => choice(group),
    groupChanged: () => undefined,
    start: () => undefined,
    build: async () => refuse(),
    rollback: async () => refuse(),
    prune: async () => refuse(),
    standing: () => ({ current: undefined, gone: false, pending: false, problem: undefined }),
    pending: () => [],
    problems: () => ({}),
    giveUp: () => undefined,
    close: async () => undefined,
  };
}
