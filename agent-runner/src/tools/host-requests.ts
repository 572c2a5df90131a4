import type { HostReply } from '../read-inbound.ts';
import type { HostAnswer } from './agent-desk.ts';

/** What is asked of the host. */
export interface HostRequest {
  /** Of the row. */
  id: string;
  inReplyTo: string;
  request: string;
  args: object;
}

/** The host answers within milliseconds, unless it is down. */
const PATIENCE_MS = 15_000;

/** Requests to the host that wait for their answer. */
export class HostRequests {
  readonly #waiting = new Map<string, (answer: HostAnswer) => void>();

  /** @throws Error when the host does not answer in time: it may be done all the same. */
  wait(rowId: string): Promise<HostAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HostAnswer>();
    const late = setTimeout(() => {
      this.#waiting.delete(rowId);
      reject(new Error('The host does not answer now. It will do what was asked as soon as it can.'));
    }, PATIENCE_MS);
    this.#waiting.set(rowId, (answer) => {
      clearTimeout(late);
      this.#waiting.delete(rowId);
      resolve(answer);
    });
    return promise;
  }

  /** The host's word; of a request that nobody waits for it is dropped. */
  hear({ answers, ok, result, error }: HostReply): void {
    const words = error?.message ?? 'the host gives no reason';
    this.#waiting.get(answers)?.(ok ? { ok, result } : { ok: false, error: `${words} [${error?.code}]` });
  }
}
