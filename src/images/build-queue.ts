import { BerthError } from '../errors.ts';

/** Somebody who wants a build. */
export interface Asker<Event> {
  /** When it is aborted, this asker no longer waits; a build that nobody waits for is ended. */
  signal?: AbortSignal | undefined;
  onEvent?: ((event: Event) => void) | undefined;
}

/** One build: reports by `emit`, ends early when `signal` is aborted. */
export type Work<Event, Result> = (signal: AbortSignal, emit: (event: Event) => void) => Promise<Result>;

interface Running<Event, Result> {
  askers: Set<Asker<Event>>;
  controller: AbortController;
  promise: Promise<Result>;
}

/**
 * Builds, one per key at a time however many ask for it, and no more than `sideBySide` at once. Whoever asks for a key
 * that is being built is given that build, with its events from now on.
 */
export class BuildQueue<Event, Result> {
  readonly #running = new Map<string, Running<Event, Result>>();
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(sideBySide: number) {
    this.#free = sideBySide;
  }

  /** @throws E_IMAGE_CANCELLED for an asker who gave up; what the work throws. */
  async run(key: string, asker: Asker<Event>, work: Work<Event, Result>): Promise<Result> {
    // One that is being ended is not worth joining: it is waited for, so that there are never two of a key.
    for (let old = this.#running.get(key); old?.controller.signal.aborted; old = this.#running.get(key))
      await old.promise.catch(() => undefined);
    asker.signal?.throwIfAborted();
    return this.#join(this.#running.get(key) ?? this.#begin(key, work), asker);
  }

  has(key: string): boolean {
    return this.#running.has(key);
  }

  /** Resolves when the key is not being built. */
  async settled(key: string): Promise<void> {
    await this.#running.get(key)?.promise.catch(() => undefined);
  }

  /** Ends all builds; resolves when they have ended. */
  async close(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { controller } of running) controller.abort(cancelled('the host is shutting down'));
    await Promise.all(running.map(({ promise }) => promise.catch(() => undefined)));
  }

  #begin(key: string, work: Work<Event, Result>): Running<Event, Result> {
    const controller = new AbortController();
    const askers = new Set<Asker<Event>>();
    const emit = (event: Event) => {
      for (const { onEvent } of askers) onEvent?.(event);
    };
    const promise = this.#inTurn(controller.signal, () => work(controller.signal, emit)).finally(() =>
      this.#running.delete(key),
    );
    promise.catch(() => undefined); // whoever asked hears of it
    const running = { askers, controller, promise };
    this.#running.set(key, running);
    return running;
  }

  async #join(running: Running<Event, Result>, asker: Asker<Event>): Promise<Result> {
    const { askers, controller, promise } = running;
    const { signal } = asker;
    const gaveUp = Promise.withResolvers<never>();
    gaveUp.promise.catch(() => undefined);
    const leave = () => {
      askers.delete(asker);
      gaveUp.reject(signal?.reason);
      if (askers.size === 0) controller.abort(cancelled('nobody waits for it any more'));
    };
    askers.add(asker);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([promise, gaveUp.promise]);
    } finally {
      signal?.removeEventListener('abort', leave);
      askers.delete(asker);
    }
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

/** The reason of a signal that ends a build. */
export function cancelled(why: string): BerthError {
  return new BerthError('E_IMAGE_CANCELLED', `the build was stopped: ${why}`);
}
