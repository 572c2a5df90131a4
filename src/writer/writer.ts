import { BerthError } from '../errors.ts';
import { prepareThread, startThread } from '../run-module.ts';
import type { CommandName, Commands } from './commands.ts';
import type { Reply, Request } from './protocol.ts';

type Arguments<Name extends CommandName> = Parameters<Commands[Name]>;
type Result<Name extends CommandName> = ReturnType<Commands[Name]>;

/** The main thread's end of the one thread that commits. */
export interface Writer {
  /** Runs a command; resolves once its effects are durable. @throws BerthError as the command does; E_LEDGER, E_DISK_FULL. */
  run<Name extends CommandName>(command: Name, ...args: Arguments<Name>): Promise<Result<Name>>;
  /**
   * Whether commands on what has happened already wait for room on a full disk, or are refused. Off at first, and
   * again when the host stops: the next one finds the rows as they were.
   */
  setPatience(patient: boolean): void;
  /** Finishes what is under way and closes all files. */
  close(): Promise<void>;
}

interface WriterOptions {
  /** Path of `host.db`. */
  path: string;
  /**
   * A container holds a lock on its session's `inbound.db` and does not let go (called again and again); or there is no room for
   * it on its disk (called once each time).
   */
  onStuck(session: string, reason: string, noRoom: boolean): void;
  /** The disk is full, and something waits for room on it; called once each time. */
  onFull(reason: string): void;
  /** A session's `inbound.db` was damaged, and was made anew from the ledger. */
  onRenewed?(inbound: string, reason: string): void;
  /** The thread died: nothing can be accepted any more. */
  onDeath(error: Error): void;
}

interface Waiting {
  request: Request;
  /** It waits for room, and was sent again: its answer is under way. */
  isPosted?: boolean;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * Commands on what has happened already: a full disk must neither lose it nor end the host. What is asked of the host
 * is refused, and `beginWake` as well, because messages that are accepted while it waits would not be in its file.
 */
const PATIENT: ReadonlySet<CommandName> = new Set([
  'collect',
  'putDue',
  'change',
  'beginStop',
  'forceStop',
  'endFreeze',
  'beginPause',
  'foundPaused',
  'paused',
  'describe',
  'sleep',
  'failWake',
  'recordError',
  'recordTrouble',
  'tellWaiting',
  'control',
  'afterCrash',
  'markSent',
  'failSend',
  'heedClock',
] as const);
/** How soon what waits for room is tried again, in milliseconds. */
const ROOM_AGAIN_MS = 500;

const THREAD = new URL('./writer-thread.ts', import.meta.url);

/** Has the writer's thread begin to load. */
export const prepareWriter = (): void => prepareThread(THREAD);

/** Starts the writer's thread, which opens (or makes) the ledger. @throws E_LEDGER. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const worker = startThread(THREAD, { path: options.path });
  const waiting = new Map<number, Waiting>();
  const wantRoom = new Set<Waiting>();
  let roomTimer: NodeJS.Timeout | undefined;
  let patient = false;
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
      wantRoom.clear();
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
        const request: Request = { id, command, args };
        waiting.set(id, { request, resolve: resolve as (result: unknown) => void, reject });
        worker.postMessage(request);
      });
    },
    setPatience(now) {
      patient = now;
      if (!patient) tryForRoom();
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
    else if (reply.kind === 'renewed') options.onRenewed?.(reply.inbound, reply.reason);
    else if (reply.kind === 'stuck') options.onStuck(reply.session, reply.reason, reply.noRoom);
    else settle(reply);
  }

  function settle(reply: Extract<Reply, { id: number }>): void {
    const asked = waiting.get(reply.id);
    if (!asked) return;
    if (
      reply.kind === 'error' &&
      reply.code === 'E_DISK_FULL' &&
      patient &&
      PATIENT.has(asked.request.command)
    ) {
      if (wantRoom.size === 0) options.onFull(reply.message);
      asked.isPosted = false;
      wantRoom.add(asked);
      roomTimer ??= setTimeout(tryForRoom, ROOM_AGAIN_MS);
      return;
    }
    waiting.delete(reply.id);
    wantRoom.delete(asked);
    if (reply.kind === 'result') asked.resolve(reply.result);
    else asked.reject(new BerthError(reply.code, reply.message));
  }

  /** In the order in which they were asked first, each once: twice, it would take effect twice. */
  function tryForRoom(): void {
    clearTimeout(roomTimer);
    roomTimer = undefined;
    for (const asked of wantRoom) {
      if (asked.isPosted) continue;
      asked.isPosted = true;
      worker.postMessage(asked.request);
    }
  }
}
