import type { FoundImage } from '../engines/image-builder.ts';
import { asBerthError, BerthError } from '../errors.ts';
import type { AwaitedImage } from '../groups/awaited-image.ts';
import type { Group } from '../groups/group.ts';
import type { ProvenBuild } from '../ledger/builds.ts';
import type { Logger } from '../log.ts';
import { speaksContract } from './base-fits.ts';
import type { BuildEvent } from './build-events.ts';
import {
  asDeclared,
  chooseImage,
  type ImageChoice,
  type Problem,
  type Standing,
  usableBuild,
  wantedSpec,
} from './choose-image.ts';
import { GroupStandings } from './group-standings.ts';
import { isPlain, readableSpec, specKey } from './image-spec.ts';
import { createKeeper } from './keep-current.ts';
import { lacksPackages } from './lacks-packages.ts';
import { createImageSource, type ObtainDependencies } from './obtain-image.ts';
import { type PruneResult, pruneImages } from './prune-images.ts';
import { unlessAborted } from './unless-aborted.ts';
import { usableBase } from './usable-base.ts';

/** An editor saves more than once: a declaration is built when it has stood still for so long, in milliseconds. */
const SETTLE_MS = 1_000;
/** How often the base image is looked at: a new one makes new images of all groups. */
const BASE_LOOK_MS = 60_000;

export interface GroupImagesDependencies extends ObtainDependencies {
  log: Pick<Logger, 'info' | 'warn'>;
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): Group;
  /** Folders of all groups, those included whose `group.yaml` is not valid now. */
  folders(): string[];
  /** The group's containers start from another image from now on: idle ones are to be replaced. */
  onSwitched(folder: string): void;
  /** How often the base image is looked at, in milliseconds. */
  baseLookMs?: number | undefined;
}

export interface BuildAsk {
  afresh?: boolean | undefined;
  signal?: AbortSignal | undefined;
  onEvent?: ((event: BuildEvent) => void) | undefined;
}

export interface BuiltGroup {
  /** `undefined`: nothing is declared, the base image serves. */
  build: ProvenBuild | undefined;
  /** False: it was there already. */
  built: boolean;
}

/** The images of all groups: which one to start from, and how there comes to be one. */
export interface GroupImages {
  /** What the group's next container starts from. Asks the engine nothing. @throws when there is no base image and none can be built. */
  imageFor(group: Group): Promise<ImageChoice>;
  /** The same as far as is known, whether the engine has it or not. */
  imageNow(group: Group): ImageChoice;
  /**
   * Resolves when the group has an image with what its provider cannot work without, be it the base image; mostly that is now.
   * @throws what building throws; the signal's reason.
   */
  provide(group: Group, signal: AbortSignal): Promise<void>;
  /** What has to be made before `provide` resolves; `null`: nothing, as far as is known. */
  awaited(group: Group): AwaitedImage | null;
  /** The engine refused to start from `image` (E_IMAGE_MISSING): what there is instead. It is made again in the background. */
  imageGone(group: Group, image: string): Promise<ImageChoice>;
  /** The declaration of the group may have changed, or the group is gone. */
  groupChanged(folder: string): void;
  /** Begins to keep all groups current. Waits for nothing. */
  start(): void;
  /** Builds for an operator, and switches the group. @throws what building throws; E_IMAGE_SPEC. */
  build(folder: string, ask: BuildAsk): Promise<BuiltGroup>;
  /** @throws E_IMAGE_PREVIOUS. */
  rollback(folder: string): Promise<ProvenBuild>;
  /** Removes images that nobody uses; `all`: also those of other data folders. */
  prune(all: boolean): Promise<PruneResult>;
  standing(folder: string): Standing;
  /** Groups for which an image is being made in the background. */
  pending(): string[];
  /** Why a group has no image of what it declares, by folder. */
  problems(): Record<string, Problem>;
  /** The host stops: who waits for the base image to be built waits no longer. */
  giveUp(): void;
  close(): Promise<void>;
}

export function createGroupImages(deps: GroupImagesDependencies): GroupImages {
  const { images, base, log } = deps;
  const standings = new GroupStandings(deps);
  const source = createImageSource(deps);
  const keeper = createKeeper({ source, standings, log, group: deps.group });
  let baseReady: Promise<void> | undefined;
  let baseIsBuilt = false;
  let lastBase: string | undefined;
  const givenUp = new AbortController();
  const looking = setInterval(
    () => void lookAtBase().catch(() => undefined),
    deps.baseLookMs ?? BASE_LOOK_MS,
  ).unref();

  return {
    imageFor,
    imageNow,
    async provide(group, signal) {
      if (lacks(group)) await make(group, { signal: AbortSignal.any([signal, givenUp.signal]) }, asStanding);
      await unlessAborted(signal, imageFor(group));
    },
    awaited(group) {
      if (lacks(group)) return { packages: group.agent.provider };
      return baseIsBuilt && imageNow(group).image === base.image ? { base: base.image } : null;
    },
    async imageGone(group, image) {
      log.warn({ group: group.folder, image }, 'the image is gone: it is made again');
      // Whoever removed the one may have removed both: the base is looked for anew.
      baseReady = undefined;
      standings.markGone(image);
      for (const folder of deps.folders()) if (standings.of(folder).gone) keeper.look(folder);
      return imageFor(group);
    },
    groupChanged: (folder) =>
      deps.folders().includes(folder) ? keeper.look(folder, SETTLE_MS) : keeper.leave(folder),
    start() {
      // Who needs the base waits for it and hears why there is none.
      readyBase().catch(() => undefined);
      for (const folder of deps.folders()) keeper.look(folder);
    },
    build: (folder, ask) => make(deps.group(folder), ask),
    async rollback(folder) {
      const spec = readableSpec(deps.group(folder).image);
      const held = spec ? specKey(spec) : '';
      const there = async (image: string) => (await images.inspect(image)) !== undefined;
      return standings.goBack(folder, held, there, () => keeper.leave(folder));
    },
    prune: (all) => pruneImages({ ...deps, folders: deps.folders() }, all),
    standing: (folder) => standings.of(folder),
    pending: () => deps.folders().filter((folder) => standings.of(folder).pending),
    problems: () => standings.problems(deps.folders()),
    giveUp: () => givenUp.abort(new BerthError('E_STOPPING', 'the host is shutting down')),
    async close() {
      clearInterval(looking);
      const left = keeper.close();
      await source.close();
      await left;
    },
  };

  /**
   * Makes what is wanted of the group and switches to it. Something else may be wanted by the time that it is built: then that
   * is made as well, and only that is taken.
   */
  async function make(group: Group, ask: BuildAsk, wanted = asDeclared): Promise<BuiltGroup> {
    const { folder } = group;
    const { spec, held } = wanted(group);
    if (isPlain(spec)) {
      await standings.use(folder, undefined);
      return { build: undefined, built: false };
    }
    const isWanted = () => {
      try {
        return specKey(wanted(deps.group(folder)).spec) === specKey(spec);
      } catch {
        return false; // gone or refused: whoever asks for it anew hears why
      }
    };
    try {
      const obtained = await source.obtain({ ...ask, spec });
      if (isWanted()) {
        await standings.use(folder, obtained.build, held);
        return obtained;
      }
    } catch (error) {
      const known = asBerthError(error, 'E_IMAGE_BUILD');
      if (known.code === 'E_IMAGE_CANCELLED' || ask.signal?.aborted) throw known;
      if (isWanted()) {
        standings.fail(folder, known);
        throw known;
      }
    }
    return make(deps.group(folder), ask, wanted);
  }

  /** Packages that its provider needs are made as an operator who went back wants them, unless those are too few. */
  function asStanding(group: Group): ReturnType<typeof wantedSpec> {
    const standing = standings.of(group.folder);
    const declared = asDeclared(group);
    return lacksPackages(group, standing.current?.declaration)
      ? declared
      : wantedSpec(declared.spec, standing);
  }

  function imageNow(group: Group): ImageChoice {
    const standing = standings.of(group.folder);
    const declared = readableSpec(group.image);
    const wanted = declared && wantedSpec(declared, standing).spec;
    const choice = chooseImage(wanted, standing, base.image);
    return lacks(group) ? { ...choice, lacks: true } : choice;
  }

  function lacks(group: Group): boolean {
    return lacksPackages(group, usableBuild(standings.of(group.folder))?.declaration);
  }

  async function imageFor(group: Group): Promise<ImageChoice> {
    const choice = imageNow(group);
    if (choice.image === base.image && !choice.lacks) await unlessAborted(givenUp.signal, readyBase());
    return choice;
  }

  /** Only the first wake of a host waits for this, for one question to the engine. */
  function readyBase(): Promise<void> {
    baseReady ??= makeReady().catch((error: unknown) => {
      baseReady = undefined;
      throw error;
    });
    return baseReady;
  }

  async function makeReady(): Promise<void> {
    const found = await images.inspect(base.image);
    // What the groups' images are made on now: one that comes in the first minute is another one.
    lastBase ??= found?.id;
    if (found && speaksContract(found)) return;
    log.warn({ image: base.image }, 'there is no base image of this version: it is built');
    const began = performance.now();
    baseIsBuilt = true;
    try {
      // Somebody's own of another version is left as it is, and nothing is started from it.
      const building = { images, onProgress: () => undefined, signal: givenUp.signal };
      await usableBase(base, building, speaksContract);
    } finally {
      baseIsBuilt = false;
    }
    log.info({ image: base.image, tookMs: Math.round(performance.now() - began) }, 'base image built');
  }

  async function lookAtBase(): Promise<void> {
    const found: FoundImage | undefined = await images.inspect(base.image);
    if (found && lastBase !== undefined && found.id !== lastBase) {
      baseReady = undefined; // the new one may be of another version
      for (const folder of deps.folders()) keeper.look(folder);
    }
    lastBase = found?.id ?? lastBase;
  }
}
