import { request } from 'node:http';
import type { Readable } from 'node:stream';

/** A container as the engine lists it. */
interface Listed {
  Id: string;
  Names: string[];
  Labels: Record<string, string>;
  State: string;
}

/** The few calls of the Docker Engine API that the faults and the checks need, over nothing but a socket. */
export interface EngineApi {
  readonly socket: string;
  /** @throws when the engine does not answer, or says no. */
  ask<Body = unknown>(method: string, path: string, body?: object | Readable): Promise<Body>;
  /** The answer as it comes. */
  follow(method: string, path: string, body?: Readable): Promise<Readable>;
  containers(install?: string): Promise<Listed[]>;
}

export function engineApi(socket: string): EngineApi {
  const api: EngineApi = {
    socket,
    async ask<Body>(method: string, path: string, body?: object | Readable) {
      const answer = await call(socket, method, path, body);
      let text = '';
      for await (const chunk of answer) text += chunk;
      return (text.startsWith('{') || text.startsWith('[') ? firstJson(text) : {}) as Body;
    },
    follow: (method, path, body) => call(socket, method, path, body),
    containers(install) {
      const label = install === undefined ? 'berth.install' : `berth.install=${install}`;
      const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
      return api.ask<Listed[]>('GET', `/containers/json?all=1&filters=${filters}`);
    },
  };
  return api;
}

/** Some answers are several JSON texts: only single ones are of use here. */
function firstJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

async function call(
  socketPath: string,
  method: string,
  path: string,
  body?: object | Readable,
): Promise<Readable> {
  const isStream = body !== undefined && 'pipe' in body;
  const type = isStream ? 'application/x-tar' : 'application/json';
  const { promise, resolve, reject } = Promise.withResolvers<import('node:http').IncomingMessage>();
  const sent = request({ socketPath, method, path, headers: body ? { 'content-type': type } : {} }, resolve);
  sent.on('error', reject);
  if (!isStream) sent.setTimeout(30_000, () => sent.destroy(new Error(`${method} ${path} hangs`)));
  if (isStream) (body as Readable).pipe(sent);
  else sent.end(body && JSON.stringify(body));
  const answer = await promise;
  // Only the answer's head has to be quick: what follows may be a stream of events.
  sent.setTimeout(0);
  if ((answer.statusCode ?? 500) < 400) return answer;
  let text = '';
  for await (const chunk of answer) text += chunk;
  throw new Error(`${method} ${path}: ${answer.statusCode} ${text.trim()}`);
}
