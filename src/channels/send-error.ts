/**
 * Why a send came to nothing, as far as the channel knows.
 *
 * - `transient`: the platform has surely not taken it, and may later.
 * - `rate-limited`: likewise, and the platform says when.
 * - `permanent`: the platform does not want it, now or ever.
 * - `unknown-outcome`: nobody knows whether the platform has taken it.
 */
export const SEND_ERROR_CLASSES = ['transient', 'rate-limited', 'permanent', 'unknown-outcome'] as const;
export type SendErrorClass = (typeof SEND_ERROR_CLASSES)[number];

/**
 * What a channel's `send` throws. `message` reaches people in the chat, the agent and the operator: words, and nothing
 * secret; what else is known goes into `cause`, which only the log shows.
 */
export class SendError extends Error {
  readonly class: SendErrorClass;
  /** Of `rate-limited`: the pause that the platform asks for, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    errorClass: SendErrorClass,
    message: string,
    options: { retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SendError';
    this.class = errorClass;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Met before a single byte of the message can have left. */
const NOTHING_LEFT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];

/** What a channel threw as a {@link SendError}: one that it did not class has an unknown outcome, unless no connection came about. */
export function asSendError(error: unknown, channel: string): SendError {
  if (error instanceof SendError) return error;
  const code = systemCode(error);
  if (code !== undefined && NOTHING_LEFT.includes(code))
    return new SendError('transient', `"${channel}" cannot be reached (${code})`, { cause: error });
  // The words of an unexpected error are not for the chat: an address in them may bear a token.
  const what = code ?? (error instanceof Error ? error.name : typeof error);
  return new SendError('unknown-outcome', `sending through "${channel}" failed (${what})`, { cause: error });
}

/** The code of an error of Node's, also where `fetch` hides it in its cause. */
function systemCode(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const found = code ?? cause?.code;
  return typeof found === 'string' ? found : undefined;
}
