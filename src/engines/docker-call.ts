import { BerthError } from '../errors.ts';
import { failpoint } from '../failpoint.ts';

/** Longest time that an ordinary call to the engine may take, in milliseconds. */
export const DEFAULT_LIMIT_MS = 30_000;

interface Call {
  what: string;
  where: string;
  limitMs: number;
}

/**
 * Runs one call to the engine within its time limit and turns whatever goes wrong into a `BerthError`. A hung engine
 * is thereby an error and not a hang: the race is needed beside the signal, because dockerode never settles when
 * the engine dies in the middle of an answer.
 */
export async function callWithin<T>(call: Call, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new BerthError(
          'E_ENGINE_UNREACHABLE',
          `${call.where} gave no answer in ${call.limitMs} ms: ${call.what}`,
        ),
      );
      limit.abort();
    }, call.limitMs);
  });
  try {
    failpoint?.(`before engine ${withoutNames(call.what)}`);
    const answer = await Promise.race([work(limit.signal), tooLate]);
    failpoint?.(`after engine ${withoutNames(call.what)}`);
    return answer;
  } catch (error) {
    throw classify(error, call);
  } finally {
    clearTimeout(timer);
  }
}

/** "starting container berth-x" → "starting container". */
function withoutNames(what: string): string {
  return what.replace(/^(pulling|importing|building) .*$|( container| image| network) \S+$/, '$1$2');
}

/** The HTTP status that the engine answered with, when that is what the error is about. */
export function engineStatus(error: unknown): number | undefined {
  const original = error instanceof BerthError ? error.cause : error;
  return (original as { statusCode?: number } | undefined)?.statusCode;
}

/** True when the engine does not know the container or image: it is gone, or never was. */
export function isGone(error: unknown): boolean {
  return engineStatus(error) === 404;
}

/** True when no engine answered, as opposed to an engine that said no. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof BerthError && error.code === 'E_ENGINE_UNREACHABLE';
}

const connectionErrors: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not use the socket',
  EPERM: 'this user may not use the socket',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ECONNABORTED: 'the connection broke',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be looked up',
  ETIMEDOUT: 'the host does not answer',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
};

interface DockerodeError {
  code?: string;
  statusCode?: number;
  json?: { message?: string } | null;
  message?: string;
}

function classify(error: unknown, { what, where }: Call): BerthError {
  if (error instanceof BerthError) return error;
  const { code, statusCode, json, message } = (error ?? {}) as DockerodeError;
  const reason = statusCode === undefined && code !== undefined ? connectionErrors[code] : undefined;
  if (reason)
    return new BerthError(
      'E_ENGINE_UNREACHABLE',
      `no container engine at ${where}: ${reason} (${code})`,
      error,
    );
  // dockerode puts its own words before the engine's when it has read no JSON.
  const words = (json?.message ?? message ?? String(error)).replace(/^\(HTTP code \d+\) [^-]*- /, '').trim();
  if (statusCode === 404 && /no such image|image not known|unable to find .*image/i.test(words)) {
    return new BerthError('E_IMAGE_MISSING', `${what}: ${words}`, error);
  }
  if (/unknown (or invalid )?runtime|runtime .*(not installed|not found)/i.test(words))
    return new BerthError('E_RUNTIME_UNKNOWN', `${what}: ${words}`, error);
  return new BerthError('E_ENGINE_REFUSED', `${what}: ${words}`, error);
}
