import type { OpencodeError } from './opencode-events.ts';
import { TurnError } from './turn-error.ts';

const KEY =
  "Whoever runs Berth checks the key: by `credentials` in group.yaml, under the name that the model's provider has in OpenCode (ANTHROPIC_API_KEY, OPENAI_API_KEY …).";

/** What went wrong in OpenCode as the host and a person are to know it. Pure. @param now Unix milliseconds. */
export function opencodeError(error: OpencodeError, now: number): TurnError {
  const words = error.data?.message?.trim().slice(0, 500) || error.name;
  return byStatus(error, words, now) ?? byWords(error, words);
}

/** What the status alone says, whatever words an API or a gateway has for it; its own name OpenCode gives only to what it knows. */
function byStatus({ name, data = {} }: OpencodeError, words: string, now: number): TurnError | undefined {
  const { statusCode: status = 0, responseBody = '' } = data;
  if (name === 'ContextOverflowError') return undefined;
  // OpenAI has the status of a rate limit for this as well.
  if (status === 402 || responseBody.includes('insufficient_quota')) return noCredit(words);
  if (status === 429) {
    const seconds = Number(data.responseHeaders?.['retry-after']);
    const retry = seconds > 0 ? { retryAt: now + seconds * 1000 } : {};
    return new TurnError('rate_limit', `The model's API takes no more requests for now. (${words})`, retry);
  }
  return status >= 500 ? trouble(words) : undefined;
}

function byWords({ name, data = {} }: OpencodeError, words: string): TurnError {
  const { statusCode: status = 0 } = data;
  if (/context[ _](length|window|limit|size)|too long|overflow|OutputLength/i.test(`${name} ${words}`)) {
    return new TurnError(
      'context',
      `The conversation has become too long for the model. Begin a new one with /new; send less at once. (${words})`,
    );
  }
  if (/ModelNotFound/i.test(name) || /model not found|no such model/i.test(words) || status === 404) {
    return new TurnError(
      'permanent',
      `There is no such model: whoever runs Berth sets agent.model in group.yaml, as <provider>/<model>. (${words})`,
    );
  }
  if (name === 'ProviderAuthError' || /api key/i.test(words) || status === 401 || status === 403)
    return new TurnError(
      'credentials',
      `The model's API does not accept the key of this group. ${KEY} (${words})`,
    );
  if (/credit|billing|quota/i.test(words)) return noCredit(words);
  if (/connect|socket|network|ECONN|timed? ?out|overloaded|deadline exceeded|context cancell?ed/i.test(words))
    return trouble(words);
  return new TurnError('permanent', `OpenCode could not go on: ${words}`);
}

function noCredit(words: string): TurnError {
  return new TurnError('credentials', `The account at the model's provider has no credit left. (${words})`);
}

function trouble(words: string): TurnError {
  return new TurnError('transient', `The model's API has trouble at the moment. (${words})`);
}
