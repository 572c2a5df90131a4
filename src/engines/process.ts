import { BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Release } from '../release-stack.ts';
import type { ContainerExit, ContainerSpec, Engine, FoundContainer, StartChecks } from './engine.ts';
import { createHandedFolders, type HandedFolders } from './handed-folders.ts';
import { ProcessContainer } from './process-container.ts';
import { type Isolation, probeIsolation } from './process-isolation.ts';
import { planLaunch } from './process-launch.ts';
import { RunnerHome } from './runner-home.ts';

export interface ProcessEngineDeps {
  log: Logger;
  /** Makes the runner one module, for a checkout that the runner's user cannot read. */
  bundleRunner: (entry?: string) => Promise<Buffer>;
  /** What keeps a process apart; found out by trying when absent. */
  isolation?: Isolation | undefined;
}

/** The engine for machines without one: the runner as a child process of the host, in bubblewrap where that works. */
export async function createProcessEngine(deps: ProcessEngineDeps): Promise<Engine> {
  return new ProcessEngine(deps, deps.isolation ?? (await probeIsolation()));
}

/** What people are to be told about an engine before they rely on it, one warning per line; empty for real containers. */
export function containmentWarnings(engine: Engine): string[] {
  if (engine.contains) return [];
  const bubblewrap = engine instanceof ProcessEngine && engine.isolation.kind === 'bubblewrap';
  return bubblewrap
    ? [
        'this is no container: the agent runs as a child process in bubblewrap; memory, CPU and number of processes are not limited, system calls are not filtered, and it cannot be frozen',
      ]
    : [
        'this is no container: the agent runs as a child process that sees the files, the processes and the network of this machine; nothing is limited or filtered, `network`, `mounts` and `credentials: onecli` do not hold, and it cannot be frozen (installing bubblewrap gives it walls)',
      ];
}

/** True: a runner reaches its folders by their own paths, as another user, who has to be let through to them. */
export function needsPassage(engine: Engine): boolean {
  return engine instanceof ProcessEngine && engine.isolation.kind === 'bare' && process.getuid?.() === 0;
}

class ProcessEngine implements Engine {
  readonly kind = 'process';
  readonly contains = false;
  readonly canPause = false;
  readonly isolation: Isolation;
  #deps: ProcessEngineDeps;
  #home: RunnerHome;
  #handed: HandedFolders;
  #containers = new Map<string, ProcessContainer>();
  #listeners = new Set<{ install: string; listener: (exit: ContainerExit) => void }>();

  constructor(deps: ProcessEngineDeps, isolation: Isolation) {
    this.#deps = deps;
    this.#home = new RunnerHome(deps.bundleRunner);
    this.#handed = createHandedFolders(deps.log);
    this.isolation = isolation;
  }

  async check(): Promise<string> {
    return `child processes of Node ${process.version}${this.isolation.kind === 'bubblewrap' ? ' in bubblewrap' : ''}`;
  }

  async runtimes(): Promise<string[]> {
    return [];
  }

  /** Images mean nothing here: the runner is the one beside the host. */
  async hasImage(): Promise<boolean> {
    return true;
  }

  async imageId(): Promise<undefined> {
    return undefined;
  }

  async start(spec: ContainerSpec, checks?: StartChecks): Promise<void> {
    await this.#clearLeftover(spec);
    const launch = await planLaunch(await this.#handOver(spec), this.isolation, this.#home);
    await checks?.created();
    // From here to `set` nothing is awaited: of two starts at once, one finds the name in use.
    if (this.#containers.has(spec.name)) {
      throw new BerthError('E_ENGINE_REFUSED', `the name ${spec.name} is in use`);
    }
    const container = new ProcessContainer(spec, launch, (exit) => this.#tell(spec.labels.install, exit));
    this.#containers.set(spec.name, container);
    try {
      await container.spawned;
    } catch (error) {
      this.#containers.delete(spec.name);
      throw new BerthError('E_ENGINE_REFUSED', `starting ${spec.name}: ${(error as Error).message}`, error);
    }
    try {
      await checks?.started(undefined);
    } catch (error) {
      await this.remove(spec.name);
      throw error;
    }
  }

  /** A child's environment is its own: keys go there at once, and only files need a folder. */
  async #handOver(spec: ContainerSpec): Promise<ContainerSpec> {
    const { environment = {}, files = {} } = spec.handed ?? {};
    const whole = { ...spec, environment: { ...spec.environment, ...environment } };
    if (Object.keys(files).length === 0) return whole;
    const filesOnly = { ...spec, handed: { environment: {}, files } };
    const mounts = await this.#handed.make(filesOnly);
    await this.#handed.fill(filesOnly);
    return { ...whole, mounts: [...spec.mounts, ...mounts] };
  }

  async stop(name: string, graceMs: number): Promise<void> {
    await this.#end(name, (container) => container.stop(graceMs));
  }

  async remove(name: string): Promise<void> {
    await this.#end(name, (container) => container.kill());
  }

  async networkOf(): Promise<undefined> {
    return undefined;
  }

  async pause(name: string): Promise<void> {
    throw new BerthError('E_ENGINE_REFUSED', `${name} is a child process, which cannot be paused`);
  }

  async unpause(name: string): Promise<void> {
    throw new BerthError('E_ENGINE_REFUSED', `${name} is a child process, which cannot be paused`);
  }

  async list(install: string): Promise<FoundContainer[]> {
    return [...this.#containers.values()]
      .filter(({ spec }) => spec.labels.install === install)
      .map(({ spec, running }) => ({ name: spec.name, labels: spec.labels, running, paused: false }));
  }

  async tail(name: string, lines: number): Promise<string> {
    return this.#containers.get(name)?.lastLines(lines).join('\n') ?? '';
  }

  async follow(
    name: string,
    lines: number,
    onLine: (line: string) => void,
    onEnd: () => void,
  ): Promise<Release> {
    const container = this.#containers.get(name);
    if (!container) throw new BerthError('E_ENGINE_REFUSED', `there is no process ${name}`);
    return container.follow(lines, onLine, onEnd);
  }

  onExit(install: string, listener: (exit: ContainerExit) => void): Release {
    const entry = { install, listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  async sweep(_install: string, prefix: string): Promise<void> {
    await this.#handed.sweep(prefix, [...this.#containers.keys()]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers.keys()].map((name) => this.remove(name)));
    await this.#home.close();
  }

  async #clearLeftover(spec: ContainerSpec): Promise<void> {
    const existing = this.#containers.get(spec.name);
    if (!existing) return;
    const { epoch } = existing.spec.labels;
    if (existing.running && epoch >= spec.labels.epoch) {
      throw new BerthError(
        'E_ENGINE_REFUSED',
        `${spec.name} lives with epoch ${epoch}, epoch ${spec.labels.epoch} may not start`,
      );
    }
    await this.remove(spec.name);
  }

  async #end(name: string, how: (container: ProcessContainer) => Promise<void>): Promise<void> {
    const container = this.#containers.get(name);
    if (!container) return;
    await how(container);
    // The name may bear a later epoch by now.
    if (this.#containers.get(name) !== container) return;
    this.#containers.delete(name);
    await this.#handed.remove(name);
  }

  #tell(install: string, exit: ContainerExit): void {
    for (const entry of this.#listeners) {
      if (entry.install !== install) continue;
      try {
        entry.listener(exit);
      } catch (error) {
        this.#deps.log.error({ err: error, container: exit.name }, 'the listener for container exits failed');
      }
    }
  }
}
