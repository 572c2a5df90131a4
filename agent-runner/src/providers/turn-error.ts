import type { ErrorClass } from '../../../contract/bodies.ts';

/** A turn that failed: words for the person who waits, and a class by which the host decides on a retry. */
export class TurnError extends Error {
  readonly errorClass: ErrorClass;
  /** Unix milliseconds before which a retry is pointless; with `rate_limit`. */
  readonly retryAt: number | undefined;

  constructor(errorClass: ErrorClass, message: string, options: { cause?: unknown; retryAt?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TurnError';
    this.errorClass = errorClass;
    this.retryAt = options.retryAt;
  }
}
