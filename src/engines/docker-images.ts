import { asBerthError, BerthError } from '../errors.ts';
import { isGone } from './docker-call.ts';
import type { DockerConnection } from './docker-connection.ts';
import { readProgress } from './docker-progress.ts';
import type { BuildLimits, BuildRequest, FoundImage, ImageBuilder } from './image-builder.ts';

/** Longest silence of a builder, in milliseconds: one step of a group's image may compile for long. */
const BUILD_IDLE_MS = 15 * 60_000;
const IMPORT_IDLE_MS = 5 * 60_000;
const LAST_LINES = 15;

const architectures: Record<string, string> = {
  amd64: 'x64',
  x86_64: 'x64',
  arm64: 'arm64',
  aarch64: 'arm64',
};

/** Images by the Docker Engine API; the build is the classic builder's, which podman's compatible socket has as well. */
export function createDockerImages(connection: DockerConnection): ImageBuilder {
  const { docker, call } = connection;
  return {
    async architecture() {
      const { Arch: arch } = await call('asking for the version', () => docker.version());
      return architectures[arch] ?? arch;
    },
    inspect: (image) => inspectImage(connection, image),
    async pull(image, idleMs, onLine) {
      const what = `pulling ${image}`;
      const stream = await call(
        what,
        (abortSignal) => docker.createImage({ ...splitName(image), abortSignal }),
        idleMs,
      );
      await readProgress(stream, { what, idleMs, onLine });
    },
    async importRootfs(tar, tag, labels) {
      const what = `importing ${tag}`;
      const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${JSON.stringify(value)}`);
      // The engine answers when it has read the whole tar.
      const stream = await call(
        what,
        (abortSignal) => docker.importImage(tar, { ...splitRepo(tag), changes, abortSignal }),
        IMPORT_IDLE_MS,
      );
      await readProgress(stream, { what, idleMs: IMPORT_IDLE_MS, onLine: () => undefined });
    },
    build: (request) => build(connection, request),
    async remove(image) {
      try {
        await call(`removing image ${image}`, () => docker.getImage(image).remove());
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
  };
}

async function inspectImage(
  { docker, call }: DockerConnection,
  image: string,
): Promise<FoundImage | undefined> {
  try {
    const found = await call(`looking for image ${image}`, () => docker.getImage(image).inspect());
    return { id: found.Id, size: found.Size, labels: found.Config?.Labels ?? {} };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

async function build(connection: DockerConnection, request: BuildRequest): Promise<string> {
  const { docker, call } = connection;
  const what = `building ${request.tag}`;
  const lastLines: string[] = [];
  const onLine = (line: string) => {
    lastLines.push(line);
    if (lastLines.length > LAST_LINES) lastLines.shift();
    request.onLine(line);
  };
  try {
    const options = {
      t: request.tag,
      buildargs: request.args,
      labels: request.labels,
      nocache: request.noCache,
      rm: true,
      forcerm: true,
      ...(request.limits ? toLimits(request.limits) : {}),
    };
    const stop = request.signal ?? new AbortController().signal;
    stop.throwIfAborted();
    const stream = await call(
      what,
      // A connection that is closed ends the build: the engine kills its container.
      (limit) =>
        docker.buildImage(request.context, { ...options, abortSignal: AbortSignal.any([limit, stop]) }),
      BUILD_IDLE_MS,
    );
    await readProgress(stream, { what, idleMs: BUILD_IDLE_MS, onLine });
  } catch (error) {
    request.signal?.throwIfAborted();
    const { code, message } = asBerthError(error);
    if (code !== 'E_ENGINE_REFUSED') throw error;
    throw new BerthError('E_IMAGE_BUILD', [message, ...lastLines].join('\n'), error);
  }
  const image = await inspectImage(connection, request.tag);
  if (!image)
    throw new BerthError('E_IMAGE_BUILD', [`${what}: the builder made no image`, ...lastLines].join('\n'));
  return image.id;
}

/** A quarter of the usual share besides: where the processor is short, conversations come first. */
function toLimits({ memoryBytes, cpus, network }: BuildLimits) {
  const period = 100_000;
  return {
    memory: memoryBytes,
    memswap: memoryBytes,
    cpuperiod: period,
    cpuquota: Math.round(cpus * period),
    cpushares: 256,
    networkmode: network,
  };
}

function splitName(image: string): { fromImage: string; tag: string } {
  const { repo, tag } = splitRepo(image);
  return { fromImage: repo, tag };
}

/** A colon before the last slash is a registry's port, not a tag. */
function splitRepo(image: string): { repo: string; tag: string } {
  const colon = image.indexOf(':', image.lastIndexOf('/') + 1);
  return colon < 0
    ? { repo: image, tag: 'latest' }
    : { repo: image.slice(0, colon), tag: image.slice(colon + 1) };
}
