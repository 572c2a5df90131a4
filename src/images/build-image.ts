import type { BuildLimits, ImageBuilder } from '../engines/image-builder.ts';
import { asBerthError, BerthError } from '../errors.ts';
import { type BuildEvent, readBuilderLine } from './build-events.ts';
import { openBuildLog } from './build-log.ts';
import { dockerfile } from './dockerfile.ts';
import { explainFailure } from './explain-failure.ts';
import { type ImageSpec, imageTag } from './image-spec.ts';
import { packContext } from './pack-context.ts';

/** So many of the last lines are searched for the reason of a failure. */
const KEPT_LINES = 400;

/** What a build may take when nothing else is said. */
export const DEFAULT_LIMITS: BuildLimits = { memoryBytes: 2 * 1024 ** 3, cpus: 1, network: 'bridge' };
export const DEFAULT_LIMIT_MS = 20 * 60_000;

export interface BuildDependencies {
  images: ImageBuilder;
  dataDir: string;
  limits: BuildLimits;
  /** How long one build may take, in milliseconds. */
  limitMs: number;
}

export interface ImageOrder {
  hash: string;
  /** Id of the base image. */
  base: string;
  spec: ImageSpec;
  /** Name that the new image gets; it is not proven yet. */
  name: string;
  /** Nothing of earlier builds is used again. */
  afresh: boolean;
}

/**
 * Builds an image of a declaration by the engine. Its lines go to `<data>/builds/<hash>/log` and to `emit`.
 * @returns the engine's id of the image.
 * @throws E_IMAGE_PACKAGE, E_IMAGE_REGISTRY, E_IMAGE_SCRIPTS, E_IMAGE_BUILD, E_DISK_FULL, E_ENGINE_UNREACHABLE; the reason
 * of `signal` when that is aborted.
 */
export async function buildImage(
  { images, dataDir, limits, limitMs }: BuildDependencies,
  order: ImageOrder,
  signal: AbortSignal,
  emit: (event: BuildEvent) => void,
): Promise<string> {
  const { hash, base, spec, name, afresh } = order;
  const log = await openBuildLog(dataDir, hash);
  const tooLong = new AbortController();
  const timer = setTimeout(() => {
    const limit = `${limitMs / 1000} s`;
    tooLong.abort(new BerthError('E_IMAGE_BUILD', `the build took longer than ${limit}, which is the limit`));
  }, limitMs);
  void log.failed.then((error) => tooLong.abort(error));
  const lines: string[] = [];
  const onLine = (line: string) => {
    log.line(line);
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    const event = readBuilderLine(line);
    if (event) emit(event);
  };
  try {
    const content = Buffer.from(dockerfile(base, spec, imageTag(hash)));
    return await images.build({
      tag: name,
      context: packContext([{ path: 'Dockerfile', content }], []),
      args: proxyArguments(),
      labels: {},
      noCache: afresh,
      onLine,
      limits,
      signal: AbortSignal.any([signal, tooLong.signal]),
    });
  } catch (error) {
    const explained = explainFailure(asBerthError(error, 'E_IMAGE_BUILD'), lines, spec);
    log.line(`Berth: ${explained.message} [${explained.code}]`);
    throw explained;
  } finally {
    clearTimeout(timer);
    await log.close();
  }
}

/** The proxy of a company's network, unless it is one that listens on the host alone. The engine keeps it out of images. */
function proxyArguments(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
  const given = names.flatMap((name) => {
    const value = env[name];
    return value && !/\/\/(?:[^/@]*@)?(?:localhost|127\.|\[::1\])/.test(value) ? [[name, value]] : [];
  });
  return Object.fromEntries(given);
}
