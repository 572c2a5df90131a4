import { type ClientRequestArgs, request } from 'node:http';

/** Whether a container engine answers where DOCKER_HOST points, or else on Docker's usual socket. */
export function engineAnswers(
  host = process.env.DOCKER_HOST || 'unix:///var/run/docker.sock',
): Promise<boolean> {
  const address = addressOf(host);
  if (!address) return Promise.resolve(false);
  return new Promise((done) => {
    const ping = request({ ...address, path: '/_ping', timeout: 5_000 }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    });
    ping.once('timeout', () => ping.destroy());
    ping.once('error', () => done(false));
    ping.end();
  });
}

/** Undefined for what a plain HTTP request cannot reach, such as ssh://. */
function addressOf(host: string): ClientRequestArgs | undefined {
  const url = URL.parse(host);
  if (url?.protocol === 'unix:') return { socketPath: url.pathname };
  if (url?.protocol === 'tcp:' || url?.protocol === 'http:') {
    return { host: url.hostname, port: url.port || 2375 };
  }
  return undefined;
}
