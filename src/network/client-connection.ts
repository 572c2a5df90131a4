import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { endWith } from './answers.ts';
import type { Target } from './target.ts';

/** How long a client is borne with, in milliseconds. */
export interface Patience {
  /** Without a byte on its connection. */
  silent: number;
  /** The same after it has closed its side: it may listen for an answer, or be gone. */
  halfClosed: number;
  /** After it has had the last word from here: it may be in the midst of a body, or never close its side. */
  answered: number;
}

export const PATIENCE: Patience = { silent: 60 * 60_000, halfClosed: 60_000, answered: 10_000 };

/** Requests on one connection that are not answered yet; apt sends ten. */
const MOST_OWED = 64;

interface Dependencies {
  patience: Patience;
  /** Told what went wrong that must not. */
  report(error: unknown): void;
  /** Told when it is closed, and all that was done for it is over. */
  onOver(): void;
}

/** What is being done about one host. */
export interface Exchange {
  /** Given when it is over, when its client is gone, or when it is cut off: what was opened for it is to be closed with it. */
  signal: AbortSignal;
  /**
   * The client is joined to this connection, and from now on each of the two closes after the other, which may take a while: the
   * signal is no longer given when the client is gone. Resolves when both are closed.
   */
  join(connection: Socket): Promise<void>;
}

interface UnderWay {
  target: Target;
  over: AbortController;
  isJoined: boolean;
}

/**
 * The connection of one client, and all that is done for it. What is done is guarded: it may fail in whatever way, and ends this
 * connection alone. What is opened for it ends with it. Of its requests one at a time is worked on.
 */
export class ClientConnection {
  readonly socket: Socket;
  /** The host that the client believes to speak to, where it speaks to this proxy instead. */
  standsInFor: Target | undefined;
  readonly closed: Promise<void>;
  readonly #deps: Dependencies;
  readonly #exchanges = new Set<UnderWay>();
  readonly #owed = new Map<ServerResponse, PromiseWithResolvers<void>>();
  #turn: Promise<void> = Promise.resolve();

  constructor(socket: Socket, deps: Dependencies) {
    const { patience } = deps;
    this.socket = socket;
    this.#deps = deps;
    socket.setTimeout(patience.silent);
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.owesAnswers && socket.setTimeout(patience.halfClosed));
    this.closed = closeOf(socket);
    socket.once('close', () => {
      for (const response of this.#owed.keys()) this.#settle(response);
      for (const { over, isJoined } of this.#exchanges) if (!isJoined) over.abort();
      this.#endIfOver();
    });
  }

  /** To be told of each answer from the first, those that Node gives by itself included. */
  owe(response: ServerResponse): void {
    this.#owed.set(response, Promise.withResolvers());
    response.once('close', () => this.#settle(response)).on('error', () => this.socket.destroy());
    if (this.#owed.size > MOST_OWED) this.socket.destroy();
  }

  get owesAnswers(): boolean {
    return this.#owed.size > 0;
  }

  /** The hosts that something is being done about. */
  get targets(): Target[] {
    return [...this.#exchanges].map(({ target }) => target);
  }

  /** Ends it with all that was opened for it, at once. */
  cut(): void {
    this.socket.destroy();
    for (const { over } of this.#exchanges) over.abort();
  }

  /** Does work that leads to this answer once those before it are given. */
  runInTurn(response: ServerResponse, work: () => Promise<void>): void {
    this.#awaitMore();
    const given = this.#owed.get(response)?.promise;
    this.#turn = this.#turn.then(() => this.#guard(work)).then(() => given);
  }

  run(work: () => Promise<void>): void {
    this.#awaitMore();
    void this.#guard(work);
  }

  /** Does something about a host; when that is done, all that it has opened is closed. */
  async exchange(target: Target, work: (exchange: Exchange) => Promise<void>): Promise<void> {
    const underWay: UnderWay = { target, over: new AbortController(), isJoined: false };
    const { signal } = underWay.over;
    const join = async (connection: Socket) => {
      underWay.isJoined = true;
      await Promise.all([this.closed, closeOf(connection)]);
    };
    this.#exchanges.add(underWay);
    try {
      await work({ signal, join });
    } finally {
      this.#exchanges.delete(underWay);
      underWay.over.abort();
      this.#endIfOver();
    }
  }

  /** Waits for what is of no use to a client that closes its side meanwhile: it is gone then. */
  async unlessItEnds<Result>(result: Promise<Result>): Promise<Result> {
    const leave = () => this.socket.destroy();
    this.socket.once('end', leave);
    try {
      return await result;
    } finally {
      this.socket.off('end', leave);
    }
  }

  /** Reads what is left of a request that has its answer: many a client looks for that only when it has said all. */
  hearOut(request: IncomingMessage): void {
    request.unpipe().resume();
    if (request.complete) return;
    const timer = this.endSoon();
    request.once('end', () => clearTimeout(timer));
  }

  /** The last answer to a client that has left HTTP behind. */
  endWith(status: number, text: string): void {
    endWith(this.socket, status, text);
    this.endSoon();
  }

  /** It has had the last word, and is given time to hear it. */
  endSoon(): NodeJS.Timeout {
    return setTimeout(() => this.socket.destroy(), this.#deps.patience.answered).unref();
  }

  /** Node sets a time of its own after each answer, and afterwards none. */
  #awaitMore(): void {
    this.socket.setTimeout(this.#deps.patience.silent);
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      // One that is being closed after an answer takes no further one.
      if (this.socket.writable) await work();
    } catch (error) {
      this.socket.destroy();
      this.#deps.report(error);
    }
  }

  #endIfOver(): void {
    if (this.socket.closed && this.#exchanges.size === 0) this.#deps.onOver();
  }

  #settle(response: ServerResponse): void {
    this.#owed.get(response)?.resolve();
    this.#owed.delete(response);
  }
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}
