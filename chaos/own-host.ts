import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import type { FailpointFolder } from './failpoint-folder.ts';
import type { History } from './history.ts';
import { pause, until } from './until.ts';

/** The host as `npm start` runs it, in a process of its own, started again whenever it ends, as a service would be. */
export interface OwnHost {
  readonly url: string;
  readonly token: string;
  /** Sends it a signal; it is started again when it has ended. */
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it answers `/readyz` with yes. @throws after a minute and a half. */
  ready(): Promise<void>;
  /** Resolves when it has ended, gracefully, and does not come again. */
  stop(): Promise<void>;
  /** How often it has ended. */
  ends(): number;
  /** How often the failpoint killed it. */
  readonly kills: Map<string, number>;
  /** Runs one command of the operator's. @returns its exit code. */
  operator(...words: string[]): Promise<number | null>;
}

interface Options {
  root: string;
  environment: Record<string, string>;
  port: number;
  token: string;
  failpoints: FailpointFolder;
  history: History;
}

const main = join(import.meta.dirname, '../src/main.ts');
/** As a service that waits a moment before the next try. */
const AGAIN_MS = 100;
const AGAIN_AFTER_ERROR_MS = 500;

export function startOwnHost({ root, environment, port, token, failpoints, history }: Options): OwnHost {
  const log = openSync(join(root, 'host.log'), 'a');
  const url = `http://127.0.0.1:${port}`;
  const kills = new Map<string, number>();
  let child: ChildProcess | undefined;
  let stopping = false;
  let asked = false;
  let ends = 0;
  const over = runAgainAndAgain();

  return {
    url,
    token,
    kills,
    ends: () => ends,
    signal(signal) {
      asked = true;
      child?.kill(signal);
    },
    ready: () => until('the host to be ready', 90_000, isReady),
    async stop() {
      stopping = true;
      asked = true;
      child?.kill('SIGTERM');
      await over;
    },
    async operator(...words) {
      const command = spawn(process.execPath, [main, ...words], options());
      return await new Promise((resolve) => command.on('exit', resolve));
    },
  };

  async function runAgainAndAgain(): Promise<void> {
    while (!stopping) {
      const code = await runOnce();
      await pause(code === 1 ? AGAIN_AFTER_ERROR_MS : AGAIN_MS);
    }
  }

  async function runOnce(): Promise<number | null> {
    asked = false;
    history.record({ what: 'host', action: 'start' });
    const started = spawn(process.execPath, [main, 'host'], options());
    child = started;
    void noteReady(started);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      started.on('exit', (...how) => resolve(how)),
    );
    ends += 1;
    const failpoint = failpoints.hit();
    if (failpoint) kills.set(failpoint, (kills.get(failpoint) ?? 0) + 1);
    const words = `code ${code}, signal ${signal}`;
    history.record({ what: 'host', action: 'exit', asked, failpoint, words });
    return code;
  }

  async function noteReady(started: ChildProcess): Promise<void> {
    while (started.exitCode === null && started.signalCode === null) {
      if (await isReady()) return history.record({ what: 'host', action: 'ready' });
      await pause(50);
    }
  }

  function options() {
    const env = {
      ...environment,
      BERTH_HTTP_PORT: String(port),
      BERTH_HTTP_TOKEN: token,
      BERTH_TEST_FAILPOINTS: failpoints.path,
    };
    return { cwd: root, env, stdio: ['ignore', log, log] as ['ignore', number, number] };
  }

  async function isReady(): Promise<boolean> {
    return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok ?? false;
  }
}
