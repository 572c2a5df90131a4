import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Release } from '../release-stack.ts';
import { FD } from './bubblewrap.ts';
import type { ContainerExit, ContainerSpec } from './engine.ts';
import { LineSplitter } from './line-splitter.ts';
import type { Launch } from './process-launch.ts';

/** Lines kept for `tail`, also after the end. */
const KEPT_LINES = 200;
/** After the end, how long its last words may take to arrive: a grandchild that holds the pipe open must not delay the news. */
const LAST_WORDS_MS = 200;

interface Follower {
  onLine: (line: string) => void;
  onEnd: () => void;
}

/** One process that stands for a container: its output, its signals, its end. Starts it at once. */
export class ProcessContainer {
  readonly spec: ContainerSpec;
  /** Resolves when the program runs; rejects when it cannot be started. */
  readonly spawned: Promise<void>;
  #child: ChildProcess;
  #ended: Promise<void>;
  #running = true;
  #lines: string[] = [];
  #followers = new Set<Follower>();
  /** In bubblewrap: the first process within; what has to die for all to die. */
  #innerInit: number | undefined;
  #isWalled: boolean;

  constructor(spec: ContainerSpec, launch: Launch, onExit: (exit: ContainerExit) => void) {
    this.spec = spec;
    this.#isWalled = launch.passwd !== undefined;
    this.#child = spawn(launch.program, launch.args, {
      env: launch.env,
      cwd: launch.cwd,
      ...launch.user,
      // A process group of its own: it can be killed whole, and Ctrl-C at the host's terminal is the host's affair.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', ...(this.#isWalled ? (['pipe', 'pipe'] as const) : [])],
    });
    this.spawned = once(this.#child, 'spawn').then(() => undefined);
    if (launch.passwd !== undefined) this.#talkToBubblewrap(launch.passwd);
    this.#collectLines();
    this.#ended = this.#waitForEnd(onExit);
  }

  get running(): boolean {
    return this.#running;
  }

  lastLines(count: number): string[] {
    return count > 0 ? this.#lines.slice(-count) : [];
  }

  follow(lines: number, onLine: (line: string) => void, onEnd: () => void): Release {
    const follower = { onLine, onEnd };
    for (const line of this.lastLines(lines)) onLine(line);
    if (this.#running) this.#followers.add(follower);
    else onEnd();
    return () => void this.#followers.delete(follower);
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#running) this.#terminate();
    const grace = new AbortController();
    await Promise.race([
      this.#ended,
      sleep(graceMs, undefined, { signal: grace.signal }).catch(() => undefined),
    ]);
    grace.abort();
    await this.kill();
  }

  async kill(): Promise<void> {
    if (this.#running) this.#killAll();
    await this.#ended;
  }

  async #waitForEnd(onExit: (exit: ContainerExit) => void): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      this.#child.once('exit', (exit, by) => resolve([exit, by]));
      // Never started: no end to tell, `spawned` tells it.
      this.#child.once('error', () => resolve([null, null]));
    });
    if (this.#child.pid !== undefined) {
      this.#killAll(); // what it left running goes with it
      await Promise.race([closed, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    }
    this.#running = false;
    for (const { onEnd } of this.#followers) onEnd();
    this.#followers.clear();
    if (this.#child.pid === undefined) return;
    const { name, labels } = this.spec;
    onExit({ name, epoch: labels.epoch, code, signal: signal ?? undefined, oomKilled: false });
  }

  #collectLines(): void {
    const take = (line: string) => {
      this.#lines.push(line);
      if (this.#lines.length > KEPT_LINES) this.#lines.shift();
      for (const { onLine } of this.#followers) onLine(line);
    };
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      const splitter = new LineSplitter(take);
      stream?.on('data', (chunk: Buffer) => splitter.push(chunk));
      stream?.on('end', () => splitter.end());
      stream?.on('error', () => stream.destroy());
    }
  }

  #talkToBubblewrap(passwd: string): void {
    const given = this.#child.stdio[FD.passwd] as Writable | null;
    given?.on('error', () => given.destroy()); // it may have ended before it read
    given?.end(passwd);
    const told = this.#child.stdio[FD.info] as Readable | null;
    let info = '';
    told?.on('data', (chunk: Buffer) => {
      info += chunk.toString();
      const pid = /"child-pid":\s*(\d+)/.exec(info)?.[1];
      if (pid) this.#innerInit = Number(pid);
    });
    told?.on('error', () => told.destroy());
  }

  /** Within the walls the signal goes to the runner: bubblewrap passes none on. */
  #terminate(): void {
    if (!this.#isWalled) signalIfThere(this.#child.pid, 'SIGTERM');
    else for (const pid of childrenOf(this.#innerInit)) signalIfThere(pid, 'SIGTERM');
  }

  /** With the first process of its own process namespace everything within dies; without walls the group has to do. */
  #killAll(): void {
    if (!this.#isWalled) signalIfThere(this.#child.pid && -this.#child.pid, 'SIGKILL');
    else if (this.#child.exitCode === null && this.#child.signalCode === null) {
      if (this.#innerInit) signalIfThere(this.#innerInit, 'SIGKILL');
      else this.#killEarly();
    }
  }

  /**
   * bubblewrap has not told of the first process within: it may be there all the same, and not yet bound to die with its parent.
   * What is stopped starts none behind our back.
   */
  #killEarly(): void {
    signalIfThere(this.#child.pid, 'SIGSTOP');
    for (const pid of [...childrenOf(this.#child.pid), this.#child.pid]) signalIfThere(pid, 'SIGKILL');
  }
}

function childrenOf(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return []; // gone, or a kernel that does not tell: the grace time passes and it is killed
  }
}

function signalIfThere(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}
