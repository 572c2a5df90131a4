import { Worker } from 'node:worker_threads';
import { BerthError } from '../errors.ts';
import type { CommandName, Commands } from './commands.ts';
import type { Reply, Request } from './protocol.ts';

type Arguments<Name extends CommandName> = Parameters<Commands[Name]>;
type Result<Name extends CommandName> = ReturnType<Commands[Name]>;

/** The main thread's end of the one thread that commits. */
export interface Writer {
  /** Runs a command; resolves once its effects are durable. @throws BerthError as the command does; E_LEDGER, E_DISK_FULL. */
  run<Name extends CommandName>(command: Name, ...args: Arguments<Name>): Promise<Result<Name>>;
  /** Finishes what is under way and closes all files. */
  close(): Promise<void>;
}

interface WriterOptions {
  /** Path of `host.db`. */
  path: string;
  /** A container holds a lock on its session's `inbound.db` and does not let go. */
  onStuck(session: string, reason: string): void;
  /** The thread died: nothing can be accepted any more. */
  onDeath(error: Error): void;
}

/** Starts the writer's thread, which opens (or makes) the ledger. @throws E_LEDGER. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
    workerData: { path: options.path },
  });
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  let closed: (() => void) | undefined;
  let dead: BerthError | undefined;
  let ready = false;

  await new Promise<void>((resolve, reject) => {
    worker.on('message', (reply: Reply) => {
      if (reply.kind === 'ready') resolve();
      else handle(reply);
    });
    worker.once('error', (error) => {
      dead = error instanceof BerthError ? error : new BerthError('E_LEDGER', error.message, error);
      reject(dead);
      for (const { reject: refuse } of waiting.values()) refuse(dead);
      waiting.clear();
      // A thread that never was ready is the caller's error, and no death.
      if (ready) options.onDeath(dead);
    });
  });
  ready = true;

  return {
    run<Name extends CommandName>(command: Name, ...[args]: Arguments<Name>): Promise<Result<Name>> {
      if (dead) return Promise.reject(dead);
      const id = ++lastId;
      return new Promise<Result<Name>>((resolve, reject) => {
        waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
        worker.postMessage({ id, command, args } satisfies Request);
      });
    },
    async close() {
      if (dead) return;
      const done = new Promise<void>((resolve) => {
        closed = resolve;
      });
      worker.postMessage('close');
      await done;
      await worker.terminate();
    },
  };

  function handle(reply: Exclude<Reply, { kind: 'ready' }>): void {
    if (reply.kind === 'closed') closed?.();
    else if (reply.kind === 'stuck') options.onStuck(reply.session, reply.reason);
    else {
      const request = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.kind === 'result') request?.resolve(reply.result);
      else request?.reject(new BerthError(reply.code, reply.message));
    }
  }
}
