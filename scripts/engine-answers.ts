import { request } from 'node:http';
import { type EngineAddress, engineAddress, findEngine } from '../src/engines/docker-address.ts';

/** Whether a container engine answers where `dockerHost` points, or else on the socket that the host would find. */
export function engineAnswers(dockerHost = process.env.DOCKER_HOST): Promise<boolean> {
  const address = addressOf(findEngine(dockerHost));
  if (!address) return Promise.resolve(false);
  const { socketPath, host, port } = address;
  return new Promise((done) => {
    const ping = request({ socketPath, host, port, path: '/_ping', timeout: 5_000 }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    });
    ping.once('timeout', () => ping.destroy());
    ping.once('error', () => done(false));
    ping.end();
  });
}

/** Undefined for what the host cannot reach either, such as ssh://. */
function addressOf(where: string): EngineAddress | undefined {
  try {
    return engineAddress(where);
  } catch {
    return undefined;
  }
}
