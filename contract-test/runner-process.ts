import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const KEPT_STDERR = 2_000;

/** One run of the runner, in a process group of its own. */
export class RunnerProcess {
  readonly #child: ChildProcess;
  #said = '';
  #failed: Error | undefined;

  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    const [program = '', ...args] = command;
    this.#child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.on('error', (error) => {
      this.#failed = error;
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-KEPT_STDERR);
      });
  }

  get hasEnded(): boolean {
    return this.#failed !== undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** How it ended, with its last words. */
  ending(): string {
    if (this.#failed) return `before it began: ${this.#failed.message}`;
    const { exitCode, signalCode } = this.#child;
    const words = this.#said.trim().split('\n').slice(-3).join(' | ');
    return `with ${signalCode ?? `code ${exitCode}`}${words && `: ${words}`}`;
  }

  /** Sends the signal to it (SIGKILL to all that it started) and waits for its end. @returns false: it did not end in time. */
  async end(signal: NodeJS.Signals, limitMs = 10_000): Promise<boolean> {
    if (this.hasEnded) return true;
    const gone = once(this.#child, 'exit').then(() => true);
    if (signal === 'SIGKILL' && this.#child.pid) process.kill(-this.#child.pid, signal);
    else this.#child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), limitMs);
    });
    return Promise.race([gone, late]).finally(() => clearTimeout(timer));
  }
}
