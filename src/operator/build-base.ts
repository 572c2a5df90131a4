import type { Config } from '../config.ts';
import { connectDocker } from '../engines/docker-connection.ts';
import { createDockerImages } from '../engines/docker-images.ts';
import { buildBase } from '../images/build-base.ts';

/**
 * `npm run build-base`: builds the base image, unless it is there already and nothing in it has changed.
 * @throws E_BASE_SOURCE, E_IMAGE_BUILD, E_ENGINE_UNREACHABLE.
 */
export async function buildBaseCommand(
  config: Readonly<Config>,
  options: { force?: boolean; json?: boolean },
): Promise<void> {
  const { stdout, stderr } = process;
  const connection = connectDocker(config.dockerHost);
  const images = createDockerImages(connection);
  const { baseImage: image, baseFrom: from, caBundle, uidBase } = config;
  const base = await buildBase(
    { image, from, caBundle, uidBase, force: options.force },
    {
      images,
      onProgress: ({ step, of, text }) =>
        options.json
          ? stdout.write(`${JSON.stringify({ event: 'progress', step, of, text })}\n`)
          : stderr.write(`[${step}/${of}] ${text}\n`),
    },
  );
  connection.close();
  if (options.json) stdout.write(`${JSON.stringify({ event: 'done', image, ...base })}\n`);
  else {
    const done = base.built
      ? `built in ${(base.tookMs / 1000).toFixed(1)} s from ${base.source}`
      : 'was there already';
    stdout.write(`${image} ${base.imageId.slice(7, 19)} (${Math.round(base.size / 1e6)} MB) ${done}\n`);
  }
}
