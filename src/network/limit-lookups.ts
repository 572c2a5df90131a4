import { isIP } from 'node:net';
import { NoConnection } from './dial.ts';
import type { ResolveName } from './resolve-name.ts';

/** Different names that are asked for at once, and that wait until they are. */
const MOST_AT_ONCE = 16;
const MOST_WAITING = 64;
/** How long somebody waits for an answer. */
const LIMIT_MS = 5_000;

/**
 * The names that one group has looked up: bounded, so that no group takes the name servers from the others. Whoever asks for a
 * name that is asked for already shares the answer.
 * @returns rejects with NoConnection of kind `failed` where there are too many, or where the answer takes too long.
 */
export function limitLookups(resolve: ResolveName): ResolveName {
  const underWay = new Map<string, Promise<string[]>>();
  const waiting: (() => void)[] = [];
  let asking = 0;

  return async (host) => {
    if (isIP(host)) return [host];
    const known = underWay.get(host);
    if (!known && waiting.length >= MOST_WAITING)
      throw new NoConnection('failed', 'too many names looked up at once');
    const answer = known ?? askInTurn(host).finally(() => underWay.delete(host));
    underWay.set(host, answer);
    return await inTime(answer);
  };

  /** A name counts until its answer is there, also when nobody waits for it any more. */
  async function askInTurn(host: string): Promise<string[]> {
    if (asking < MOST_AT_ONCE) asking++;
    else await new Promise<void>((resume) => waiting.push(resume));
    try {
      return await resolve(host);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else asking--;
    }
  }
}

function inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new NoConnection('failed', 'the name servers gave no answer in time'));
    const timer = setTimeout(late, LIMIT_MS);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
