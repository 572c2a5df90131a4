import { type ChildProcess, spawn } from 'node:child_process';
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
  /** Resolves when it listens and its events are followed. Rejects with a TurnError, and nothing of it is left behind. */
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #authorization: string;
  #url = '';

  constructor(deps: ServerDeps) {
    const password = process.getBuiltinModule('node:crypto').randomBytes(16).toString('hex');
    this.#authorization = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
    this.#child = spawn('opencode', ['serve', '--hostname=127.0.0.1', '--port=0'], {
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
    this.#child.once('exit', (code, signal) => deps.onEnd(`it ended with ${signal ?? `code ${code}`}`));
    this.ready = this.#begin(deps);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * One call of its API.
   * @param signal ends it before its time.
   * @returns the body, if it is JSON; of what is only looked for, also that it is not there (404).
   * @throws TurnError with its words.
   */
  async call<Body>(
    method: string,
    path: string,
    body?: object,
    signal?: AbortSignal,
  ): Promise<{ status: number; body: Body }> {
    const answer = fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      signal: signal ?? null,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).then(async (response) => ({ status: response.status, text: await response.text() }));
    const { status, text } = await answer.catch((error: Error) => {
      throw noAnswer(`${method} ${path}`, error);
    });
    if (status >= 400 && !(status === 404 && method === 'GET')) {
      throw new TurnError('permanent', `OpenCode refuses ${method} ${path}: ${text.slice(0, 300)}`);
    }
    return { status, body: (text.startsWith('{') ? JSON.parse(text) : undefined) as Body };
  }

  /** With the programs that its tools have started; also while it starts. */
  kill(): void {
    killWithAll(this.#child);
  }

  async #begin(deps: ServerDeps): Promise<void> {
    try {
      this.#url = await listening(this.#child);
      await this.#follow(deps);
    } catch (error) {
      this.kill();
      throw error;
    }
  }

  /** Without any limit of time: it may be silent, or frozen with us, for hours. */
  #follow({ onEvent, onEnd }: ServerDeps): Promise<void> {
    return new Promise((resolve, reject) => {
      const { get } = process.getBuiltinModule('node:http');
      const request = get(`${this.#url}/event`, { headers: { authorization: this.#authorization } });
      request.on('error', (error) => reject(noAnswer('GET /event', error)));
      request.once('response', (response) => {
        resolve();
        // Of an error the close tells; who reads lines hands it on, and uncaught it would end the runner.
        response.on('error', () => undefined).once('close', () => onEnd('its events have ended'));
        const lines = createInterface({ input: response }).on('error', () => undefined);
        lines.on('line', (line) => {
          if (line.startsWith('data: ')) onEvent(JSON.parse(line.slice(6)) as OpencodeEvent);
        });
      });
    });
  }
}

/** It has been killed, or ended by itself: the next one answers. `fetch` keeps the reason in the cause. */
function noAnswer(call: string, error: Error): TurnError {
  const { message } = error.cause instanceof Error ? error.cause : error;
  return new TurnError('transient', `OpenCode does not answer ${call}: ${message}`, { cause: error });
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
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`it ended with ${signal ?? `code ${code}`}`);
    });
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /listening on (http:\/\/\S+)/.exec(line)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}
