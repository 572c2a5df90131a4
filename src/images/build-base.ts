import { CONTRACT_LABEL, CONTRACT_VERSION } from '../../contract/version.ts';
import type { FoundImage, ImageBuilder } from '../engines/image-builder.ts';
import { asBerthError } from '../errors.ts';
import { gatherBaseFiles, recipeOf } from './base-files.ts';
import { findBaseSource } from './base-source.ts';
import { DEBIAN_SOURCE, ROOTFS_RECIPE } from './debian-rootfs.ts';
import { IMAGE_RECIPE_LABEL, NAME_LABEL } from './dockerfile.ts';
import { IMAGE_RECIPE } from './image-spec.ts';
import { packContext } from './pack-context.ts';

const RECIPE_LABEL = 'berth.recipe';
const SOURCE_LABEL = 'berth.source';
const STEPS = 3;
/** What the classic builder says of its own affairs. */
const BUILDER_NOISE = /^(--->|Removing intermediate container|Successfully (built|tagged))/;
/** Characters: a line of progress is for a terminal. */
const MAX_TEXT = 100;

export interface BaseOptions {
  /** Name of the image to make: `BERTH_BASE_IMAGE`. */
  image: string;
  /** What to build from where it can be had: `BERTH_BASE_FROM`. */
  from: string;
  /** PEM file with the host's extra certificates. */
  caBundle?: string | undefined;
  uidBase: number;
  /** Builds anew also when nothing has changed, with fresh packages. */
  force?: boolean | undefined;
}

interface BuildProgress {
  step: number;
  of: number;
  text: string;
}

export interface BaseDependencies {
  images: ImageBuilder;
  onProgress: (progress: BuildProgress) => void;
  /** Ends it early, as soon as it can be ended. */
  signal?: AbortSignal | undefined;
}

export interface BaseImage {
  imageId: string;
  /** Bytes. */
  size: number;
  /** For people: the image it was built from, or Debian's packages. */
  source: string;
  tookMs: number;
  /** False: the image was there already and nothing that goes into it has changed. */
  built: boolean;
}

const underWay = new Map<string, Promise<BaseImage>>();

/**
 * Makes the base image, unless the one that is there was made from the very same things. Two calls at once for one
 * name share one build.
 * @throws E_BASE_SOURCE, E_IMAGE_BUILD, E_CONFIG (certificates), E_ENGINE_UNREACHABLE.
 */
export async function buildBase(options: BaseOptions, deps: BaseDependencies): Promise<BaseImage> {
  for (let running = underWay.get(options.image); running; running = underWay.get(options.image)) {
    try {
      return await running;
    } catch (error) {
      // Whoever began it waits for it no longer; who joined it does.
      if (asBerthError(error).code !== 'E_IMAGE_CANCELLED' || deps.signal?.aborted) throw error;
    }
  }
  const build = buildUnlessSame(options, deps).finally(() => underWay.delete(options.image));
  underWay.set(options.image, build);
  return await build;
}

/** As `buildBase`, but leaves an image alone that somebody else made under that name, or derived from ours. */
export async function ensureBase(options: BaseOptions, deps: BaseDependencies): Promise<BaseImage> {
  const present = await deps.images.inspect(options.image);
  if (present && present.labels[NAME_LABEL] !== options.image)
    return describe(present, performance.now(), false);
  return await buildBase({ ...options, force: false }, deps);
}

async function buildUnlessSame(
  options: BaseOptions,
  { images, onProgress, signal }: BaseDependencies,
): Promise<BaseImage> {
  const started = performance.now();
  const tell = (step: number) => (text: string) => onProgress({ step, of: STEPS, text });
  const present = await images.inspect(options.image);
  const architecture = await images.architecture();
  const { uidBase, caBundle } = options;
  const { files, hasExtraCa } = await gatherBaseFiles({ architecture, uidBase, caBundle });
  signal?.throwIfAborted();
  const recipe = (source: string) => recipeOf(files, `${IMAGE_RECIPE} ${source}`);
  const recipes = { registry: recipe(options.from), debian: recipe(ROOTFS_RECIPE) };
  if (present && !options.force && Object.values(recipes).includes(present.labels[RECIPE_LABEL] ?? '')) {
    return describe(present, started, false);
  }
  tell(1)('bundled the runner');
  const source = await findBaseSource(
    { images, onLine: tell(2), signal },
    options.from,
    architecture,
    options.force ?? false,
  );
  tell(3)(`building ${options.image}`);
  await images.build({
    tag: options.image,
    context: packContext(files),
    args: { BASE: source.from, EXTRA_CA: hasExtraCa ? '/opt/berth/extra-ca.pem' : '' },
    labels: {
      [CONTRACT_LABEL]: String(CONTRACT_VERSION),
      [IMAGE_RECIPE_LABEL]: String(IMAGE_RECIPE),
      [NAME_LABEL]: options.image,
      [RECIPE_LABEL]: recipes[source.kind],
      [SOURCE_LABEL]: source.kind === 'registry' ? source.from : DEBIAN_SOURCE,
    },
    noCache: options.force ?? false,
    signal,
    onLine: (line) => {
      if (!BUILDER_NOISE.test(line)) tell(3)(line.slice(0, MAX_TEXT));
    },
  });
  const made = await images.inspect(options.image);
  if (!made) throw new Error(`the engine built ${options.image} and does not know it`);
  if (present && present.id !== made.id) await removeReplaced(images, present.id);
  return describe(made, started, true);
}

/** Old images would fill the disk. One that a container or another image still uses stays, by the engine's refusal. */
async function removeReplaced(images: ImageBuilder, id: string): Promise<void> {
  try {
    await images.remove(id);
  } catch (error) {
    if (asBerthError(error).code !== 'E_ENGINE_REFUSED') throw error;
  }
}

function describe(image: FoundImage, started: number, built: boolean): BaseImage {
  return {
    imageId: image.id,
    size: image.size,
    source: image.labels[SOURCE_LABEL] ?? 'unknown',
    tookMs: Math.round(performance.now() - started),
    built,
  };
}
