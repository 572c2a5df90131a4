import { inspect } from 'node:util';
import Docker from 'dockerode';
import { Agent } from '../node-http.ts';
import { engineAddress, findEngine } from './docker-address.ts';
import { callWithin, DEFAULT_LIMIT_MS } from './docker-call.ts';

/** A way to one container engine. Nothing is sent before the first call. */
export interface DockerConnection {
  docker: Docker;
  /** Where the engine is expected, for people: `unix:///var/run/docker.sock`. */
  where: string;
  /**
   * Makes one call to the engine: the only way to it. `what` names the call in messages ("starting container x").
   * @throws E_ENGINE_UNREACHABLE, also after `limitMs` (30 s); E_IMAGE_MISSING; E_ENGINE_REFUSED with the engine's words.
   */
  call<T>(what: string, work: (signal: AbortSignal) => Promise<T>, limitMs?: number): Promise<T>;
  close(): void;
}

/**
 * Opens a way to the engine that `dockerHost` names, or to the one that is found.
 * @throws E_ENGINE_UNREACHABLE when `dockerHost` is of another form.
 */
export function connectDocker(dockerHost?: string, env: NodeJS.ProcessEnv = process.env): DockerConnection {
  const where = findEngine(dockerHost, env);
  // A connection per call costs half a millisecond. One that is kept breaks the first call after the engine's restart.
  const agent = new TerseAgent({ keepAlive: false });
  const options: Docker.DockerOptions & { agent: InstanceType<typeof Agent> } = {
    ...engineAddress(where),
    agent,
  };
  return {
    docker: new Docker(options),
    where,
    call: (what, work, limitMs = DEFAULT_LIMIT_MS) => callWithin({ what, where, limitMs }, work),
    close: () => agent.destroy(),
  };
}

/**
 * docker-modem prints the options of each request, agent and all its sockets included, for a debug log that nobody
 * reads: some milliseconds of the event loop for each call, and more with each call beside it.
 */
class TerseAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}
