import type { DockerConnection } from './docker-connection.ts';
import type { ImageShelf } from './image-builder.ts';

/** Adding up what lies on the disk may take the engine a while. */
const DISK_USE_LIMIT_MS = 120_000;

/** Finished images by the Docker Engine API. */
export function createDockerShelf({ docker, call }: DockerConnection): ImageShelf {
  return {
    async tag(image, name) {
      const colon = name.lastIndexOf(':');
      const target = { repo: name.slice(0, colon), tag: name.slice(colon + 1) };
      await call(`naming image ${name}`, (abortSignal) =>
        docker.getImage(image).tag({ ...target, abortSignal }),
      );
    },
    async list(label) {
      const found = await call('listing images', (abortSignal) =>
        docker.listImages({ filters: JSON.stringify({ label: [label] }), abortSignal }),
      );
      return found.map(({ Id, Size, Labels, RepoTags, Created }) => ({
        id: Id,
        size: Size,
        labels: Labels ?? {},
        createdAt: Created * 1000,
        tags: (RepoTags ?? []).filter((name) => name !== '<none>:<none>'),
      }));
    },
    async inUse() {
      const containers = await call('listing containers', (abortSignal) =>
        docker.listContainers({ all: true, abortSignal }),
      );
      return new Set(containers.map(({ ImageID }) => ImageID));
    },
    async sweep(label) {
      const filters = { dangling: ['true'], label: [label], until: ['1h'] };
      await call('removing images without a name', () => docker.pruneImages({ filters }), DISK_USE_LIMIT_MS);
    },
    async diskUse() {
      const { LayersSize } = (await call(
        'asking for the disk use of images',
        () => docker.df(),
        DISK_USE_LIMIT_MS,
      )) as { LayersSize?: number };
      return LayersSize ?? 0;
    },
  };
}
