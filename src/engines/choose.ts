import { BerthError, describeError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createDockerEngine } from './docker.ts';
import { isUnreachable } from './docker-call.ts';
import { connectDocker } from './docker-connection.ts';
import type { Engine } from './engine.ts';
import { containmentWarnings, createProcessEngine } from './process.ts';

export interface EngineChoice {
  /** Whether `auto` may take child processes where no engine answers. */
  fallback: boolean;
  /** Address as in `DOCKER_HOST`; found by itself when absent. */
  dockerHost?: string | undefined;
  /** The OCI runtime that containers are to be run by, where it is not the engine's default. */
  runtime?: string | undefined;
  /** Makes the runner one module: child processes need it where they cannot read the checkout. */
  bundleRunner: (entry?: string) => Promise<Buffer>;
}

/**
 * The engine that the setting means. `docker` is given back whether it answers or not (a daemon may come up after us);
 * `auto` means docker where it answers. Child processes are never chosen without a warning in the log.
 * @throws E_ENGINE_UNREACHABLE when `auto` finds no engine and may not fall back; E_RUNTIME_UNKNOWN.
 */
export async function chooseEngine(
  kind: 'auto' | 'docker' | 'process',
  choice: EngineChoice,
  log: Logger,
): Promise<Engine> {
  const engine = await choose(kind, choice, log);
  try {
    await checkRuntime(engine, choice.runtime);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** One that does not answer yet is asked by the first wake. */
async function checkRuntime(engine: Engine, runtime: string | undefined): Promise<void> {
  if (runtime === undefined) return;
  const known = await engine.runtimes().catch((error: unknown) => {
    if (isUnreachable(error)) return [runtime];
    throw error;
  });
  // A name with dots or slashes is that of a shim, which engines find without having been told of it.
  if (known.includes(runtime) || (known.length > 0 && /[./]/.test(runtime))) return;
  throw new BerthError(
    'E_RUNTIME_UNKNOWN',
    `there is no runtime ${runtime}: the engine has ${known.join(', ') || 'none, for it runs child processes'}`,
  );
}

async function choose(
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
