import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type EngineApi, engineApi } from './engine-api.ts';

export const BASE_IMAGE = 'berth-base:latest';
/** Keeps the layers when the name above is taken away. */
const KEPT = { repo: 'berth-chaos', tag: 'kept' };

/**
 * Brings the base image of these sources to the run's own engine, which has no way out and cannot build it: it is built (if it
 * is not there) by the engine of `DOCKER_HOST`, and carried over.
 */
export async function bringBaseImage(to: EngineApi, root: string): Promise<void> {
  const dockerHost = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  if (!dockerHost.startsWith('unix://')) throw new Error('chaos needs DOCKER_HOST to be a unix:// address');
  const { PATH, HOME, NODE_EXTRA_CA_CERTS } = process.env;
  const main = join(import.meta.dirname, '../src/main.ts');
  const env = { PATH, HOME, NODE_EXTRA_CA_CERTS, DOCKER_HOST: dockerHost, BERTH_BASE_IMAGE: BASE_IMAGE };
  await promisify(execFile)(process.execPath, [main, 'build-base'], { cwd: root, env });
  const tar = await engineApi(dockerHost.slice('unix://'.length)).follow('GET', `/images/${BASE_IMAGE}/get`);
  for await (const _ of await to.follow('POST', '/images/load?quiet=1', tar));
  await to.ask('POST', `/images/${BASE_IMAGE}/tag?repo=${KEPT.repo}&tag=${KEPT.tag}`);
}

export async function takeImageAway(engine: EngineApi): Promise<void> {
  await engine.ask('DELETE', `/images/${BASE_IMAGE}?force=1&noprune=1`);
}

export async function giveImageBack(engine: EngineApi): Promise<void> {
  const [repo, tag] = BASE_IMAGE.split(':');
  await engine.ask('POST', `/images/${KEPT.repo}:${KEPT.tag}/tag?repo=${repo}&tag=${tag}`);
}
