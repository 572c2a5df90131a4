import { describeError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createDockerEngine } from './docker.ts';
import { connectDocker } from './docker-connection.ts';
import type { Engine } from './engine.ts';
import { containmentWarnings, createProcessEngine } from './process.ts';

export interface EngineChoice {
  /** Whether `auto` may take child processes where no engine answers. */
  fallback: boolean;
  /** Address as in `DOCKER_HOST`; found by itself when absent. */
  dockerHost?: string | undefined;
  /** Makes the runner one module: child processes need it where they cannot read the checkout. */
  bundleRunner: (entry?: string) => Promise<Buffer>;
}

/**
 * The engine that the setting means. `docker` is given back whether it answers or not (a daemon may come up after us);
 * `auto` means docker where it answers. Child processes are never chosen without a warning in the log.
 * @throws E_ENGINE_UNREACHABLE when `auto` finds no engine and may not fall back.
 */
export async function chooseEngine(
  kind: 'auto' | 'docker' | 'process',
  choice: EngineChoice,
  log: Logger,
): Promise<Engine> {
  if (kind === 'process') return await processEngine(choice, log);
  const docker = createDockerEngine({ connection: connectDocker(choice.dockerHost), log });
  if (kind === 'docker') return docker;
  try {
    const version = await docker.check();
    log.debug({ engine: version }, 'a container engine answers');
    return docker;
  } catch (error) {
    await docker.close();
    if (!choice.fallback) throw error;
    log.info(describeError(error));
    return await processEngine(choice, log);
  }
}

async function processEngine({ bundleRunner }: EngineChoice, log: Logger): Promise<Engine> {
  const engine = await createProcessEngine({ log, bundleRunner });
  for (const warning of containmentWarnings(engine)) log.warn(warning);
  return engine;
}
