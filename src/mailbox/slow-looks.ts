import { type ChildProcess, spawn } from 'node:child_process';
import { runModule } from '../run-module.ts';
import type { NothingToRead } from './open-outbound.ts';
import { OutboundInvalid } from './outbound-invalid.ts';
import type { LookOptions, OutboundLook } from './read-rows.ts';

/** From a process that looks. */
export type LookReply =
  | { kind: 'ready' }
  | ({ kind: 'found' } & SlowLook)
  | { kind: 'invalid' | 'failed'; reason: string };

interface SlowLook {
  found: OutboundLook | NothingToRead;
  tookMs: number;
}

/** Looks in processes of their own. */
export interface SlowLooks {
  /** @throws OutboundInvalid when the file breaks the contract, or takes too long, or brings two processes down. */
  look(options: LookOptions): Promise<SlowLook>;
  /** Kills all of them; what is under way is rejected. */
  close(): void;
}

interface Seat {
  child: ChildProcess;
  ready: Promise<void>;
  looks: number;
  idle: NodeJS.Timeout | undefined;
}

/** How long a look may take, in milliseconds. */
const LIMIT_MS = 2000;
/** A process that nobody needs ends after so many milliseconds. */
const IDLE_MS = 30_000;
/** As many hostile sessions can keep a process each busy until the limit; the next one waits for its turn. */
const MOST_PROCESSES = 4;
/** In seconds of processor time: a process whose host was killed while it looked ends by itself. Reached by no honest one. */
const CPU_LIMIT_S = 120;
const LOOKS_PER_PROCESS = 5000;

const program = new URL('./look-child.ts', import.meta.url).href;

/** Processes are started when they are needed, kept for a while, and killed when a look takes longer than `limitMs`. */
export function createSlowLooks(limitMs = LIMIT_MS): SlowLooks {
  const seats = new Set<Seat>();
  const free: Seat[] = [];
  const waiting: (() => void)[] = [];
  let closed = false;

  return {
    async look(options) {
      try {
        return await lookIn(await takeSeat(), options);
      } catch (error) {
        if (!(error instanceof ProcessDied)) throw error;
        // Other looks may have used up its processor time, or somebody else this machine's memory: only a new process tells.
        return lookIn(await takeSeat(true), options).catch(blame);
      }
    },
    close() {
      closed = true;
      for (const seat of seats) leave(seat);
      callNext();
    },
  };

  async function lookIn(seat: Seat, options: LookOptions): Promise<SlowLook> {
    try {
      await seat.ready;
      return await ask(seat, options, limitMs);
    } finally {
      giveBack(seat);
    }
  }

  /** @param isNew with a process that has looked at nothing yet. */
  async function takeSeat(isNew = false): Promise<Seat> {
    while (free.length === 0 && seats.size >= MOST_PROCESSES && !closed)
      await new Promise<void>((resolve) => waiting.push(resolve));
    if (closed) throw new Error('the host is stopping');
    const seat = free.pop();
    clearTimeout(seat?.idle);
    if (seat && isNew) leave(seat);
    return seat && !isNew ? seat : sitDown();
  }

  function sitDown(): Seat {
    // Through a shell, for its limit; the environment is empty on purpose.
    const args = [
      '-c',
      `ulimit -t ${CPU_LIMIT_S}; exec "$0" "$1" "$2"`,
      process.execPath,
      runModule,
      program,
    ];
    const child = spawn('/bin/sh', args, { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const ready = Promise.withResolvers<void>();
    const seat: Seat = { child, ready: ready.promise, looks: 0, idle: undefined };
    child.once('message', () => ready.resolve());
    child.on('error', (error) => ready.reject(error));
    child.once('exit', (code, signal) => {
      ready.reject(new Error(`the process for slow looks ended at its start (${signal ?? code})`));
      leave(seat);
      callNext();
    });
    seats.add(seat);
    return seat;
  }

  function giveBack(seat: Seat): void {
    seat.looks += 1;
    if (closed || seat.child.killed || seat.looks >= LOOKS_PER_PROCESS) leave(seat);
    else if (seats.has(seat)) {
      free.push(seat);
      seat.idle = setTimeout(() => leave(seat), IDLE_MS).unref();
    }
    callNext();
  }

  function leave(seat: Seat): void {
    clearTimeout(seat.idle);
    seats.delete(seat);
    const index = free.indexOf(seat);
    if (index >= 0) free.splice(index, 1);
    seat.child.kill('SIGKILL');
  }

  function callNext(): void {
    for (const next of waiting.splice(0)) next();
  }
}

/** The process died while it looked. */
class ProcessDied extends Error {}

function blame(error: unknown): never {
  throw error instanceof ProcessDied ? new OutboundInvalid(error.message) : error;
}

function ask({ child }: Seat, options: LookOptions, limitMs: number): Promise<SlowLook> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      done();
      child.kill('SIGKILL');
      reject(new OutboundInvalid(`looking at outbound.db took longer than ${limitMs} ms`));
    }, limitMs);
    function hear(reply: LookReply): void {
      done();
      if (reply.kind === 'found') resolve(reply);
      else if (reply.kind === 'invalid') reject(new OutboundInvalid(reply.reason));
      else reject(new Error(reply.kind === 'failed' ? reply.reason : 'said nothing'));
    }
    function end(code: number | null, signal: string | null): void {
      done();
      const reason = `outbound.db brought down the process that looked at it (${signal ?? code})`;
      reject(child.killed ? new Error('the host is stopping') : new ProcessDied(reason));
    }
    function done(): void {
      clearTimeout(timer);
      child.off('message', hear).off('exit', end);
    }
    child.on('message', hear).on('exit', end);
    child.send(options, (error) => error && end(null, error.message));
  });
}
