import type { ChatEvent } from '../channels/channel.ts';
import type { OutboxState } from '../ledger/rows.ts';

/** An event that is still to be sent. */
export interface Unsent {
  readonly n: number;
  readonly status: OutboxState;
  /** Sends that failed so far. */
  readonly attempts: number;
  /** Unix milliseconds from which its age counts. */
  readonly since: number;
  /** Monotonic milliseconds of the next try. */
  readonly readyAt: number;
  /** Undefined: it is read from the ledger when its turn comes. */
  readonly event?: ChatEvent | undefined;
}

/** Node's timers cannot wait longer, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What is still to be sent to one chat, in the order of the chat. */
export class ChatLane {
  /** The event whose send is under way: from the decision to send it to the ledger's word of what came of it. */
  underWay: number | null = null;
  /** The event that is in the hands of its channel. */
  calling: number | null = null;
  #waiting: Unsent[] = [];
  #endPause: () => void = () => undefined;

  get first(): Unsent | undefined {
    return this.#waiting[0];
  }

  all(): readonly Unsent[] {
    return this.#waiting;
  }

  /** Puts an event at its place, or in the place of what was known of it. */
  put(unsent: Unsent): void {
    const at = this.#waiting.findIndex(({ n }) => n >= unsent.n);
    if (at === -1) this.#waiting.push(unsent);
    else this.#waiting.splice(at, this.#waiting[at]?.n === unsent.n ? 1 : 0, unsent);
    this.hurry();
  }

  remove(n: number): void {
    this.#waiting = this.#waiting.filter((unsent) => unsent.n !== n);
    this.hurry();
  }

  /** It is not sent until something else is put in its place. */
  hold(n: number): void {
    const held = this.#waiting.find((unsent) => unsent.n === n);
    if (held) this.put({ ...held, readyAt: Number.POSITIVE_INFINITY });
  }

  /** Waits so many milliseconds, or until something changes. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER_MS)).unref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends a pause. */
  hurry(): void {
    this.#endPause();
  }
}
