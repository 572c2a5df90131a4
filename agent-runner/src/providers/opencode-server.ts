import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { killWithAll } from '../lingering-processes.ts';
import { missingPackage } from './load-global-package.ts';
import type { OpencodeEvent } from './opencode-events.ts';
import { TurnError } from './turn-error.ts';

/** From its start to its word that it listens. */
const START_LIMIT_MS = 60_000;

interface ServerDeps {
  cwd: string;
  /** OpenCode's own configuration. */
  config: Record<string, unknown>;
  onEvent(event: OpencodeEvent): void;
  /** It has ended, or says nothing more. */
  onEnd(reason: string): void;
}

/** `opencode serve` as a child, spoken to over loopback. */
export class OpencodeServer {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #authorization: string;

  private constructor(child: ChildProcess, url: string, password: string) {
    this.#child = child;
    this.#url = url;
    this.#authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  }

  /** Resolves when it listens and its events are followed. @throws TurnError. */
  static async start(deps: ServerDeps): Promise<OpencodeServer> {
    const password = randomBytes(16).toString('hex');
    const child = spawn('opencode', ['serve', '--hostname=127.0.0.1', '--port=0'], {
      cwd: deps.cwd,
      env: {
        ...process.env,
        OPENCODE_CONFIG_CONTENT: JSON.stringify(deps.config),
        OPENCODE_SERVER_PASSWORD: password,
        // What it would fetch beside the model's answers: nobody lets it.
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const server = new OpencodeServer(child, await listening(child), password);
      await server.#follow(deps);
      child.once('exit', (code, signal) => deps.onEnd(`it ended with ${signal ?? `code ${code}`}`));
      return server;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** One call of its API. @returns the body, if it is JSON. @throws TurnError with its words. */
  async call<Body>(method: string, path: string, body?: object): Promise<{ status: number; body: Body }> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status >= 400 && response.status !== 404) {
      throw new TurnError('permanent', `OpenCode refuses ${method} ${path}: ${text.slice(0, 300)}`);
    }
    return { status: response.status, body: (text.startsWith('{') ? JSON.parse(text) : undefined) as Body };
  }

  /** With the programs that its tools have started. */
  kill(): void {
    killWithAll(this.#child);
  }

  /** Without any limit of time: it may be silent, or frozen with us, for hours. */
  #follow({ onEvent, onEnd }: ServerDeps): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = get(`${this.#url}/event`, { headers: { authorization: this.#authorization } });
      request.once('error', reject);
      request.once('response', (response) => {
        resolve();
        createInterface({ input: response }).on('line', (line) => {
          if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)) as OpencodeEvent);
        });
        response.once('close', () => onEnd('its events have ended'));
        response.on('error', () => undefined); // the close tells
      });
    });
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (words: string, cause?: Error) =>
      reject(new TurnError('transient', `OpenCode could not be started: ${words}.`, { cause }));
    const timer = setTimeout(() => fail(`no sign of it for ${START_LIMIT_MS / 1000} s`), START_LIMIT_MS);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') reject(missingPackage('opencode-ai'));
      else fail(error.message, error);
    });
    child.once('exit', (code) => fail(`it ended with code ${code}`));
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /listening on (http:\/\/\S+)/.exec(line)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}
