import type { ErrorClass } from '../../../contract/bodies.ts';
import { TurnError } from './turn-error.ts';

/** What went wrong, in Claude's own terms. */
export interface ClaudeFailure {
  /** The error of its last message: `rate_limit`, `authentication_failed` and so on. */
  error?: string | undefined;
  /** Why its turn ended. */
  reason?: string | undefined;
  /** Its own words. */
  words: string;
  /** Unix milliseconds, where it is known when a limit ends. */
  retryAt?: number | undefined;
}

const KEY = 'ANTHROPIC_API_KEY';
const TO_DO: Record<string, string> = {
  authentication_failed: `Claude does not accept the key of this group. Whoever runs Berth checks it: a valid ${KEY} by \`credentials\` in group.yaml.`,
  no_key: `There is no key for Claude. Whoever runs Berth gives one: ${KEY} by \`credentials\` in group.yaml.`,
  oauth_org_not_allowed: 'The organisation of this account may not use Claude in this way.',
  account_on_hold: 'The account at Anthropic is on hold: whoever owns it looks into its console.',
  verification_required:
    'The account at Anthropic has to be verified first: whoever owns it looks into its console.',
  billing_error: 'The account at Anthropic has no credit left: whoever owns it adds some in its console.',
  cloud_credential_error: 'The cloud that serves Claude does not accept the credentials of this group.',
  model_not_found:
    'There is no such model, or the key may not use it: whoever runs Berth sets agent.model in group.yaml.',
  rate_limit: 'Claude takes no more requests for now, because a limit of the account is reached.',
  overloaded: 'Claude is overloaded at the moment.',
  server_error: 'Claude has an error on its own side.',
  context:
    'The conversation has become too long for the model. Begin a new one with /new; send less at once.',
  max_output_tokens: 'The answer became too long for the model. Ask for less at once.',
};

const CLASSES: Record<string, ErrorClass> = {
  authentication_failed: 'credentials',
  no_key: 'credentials',
  oauth_org_not_allowed: 'credentials',
  account_on_hold: 'credentials',
  verification_required: 'credentials',
  billing_error: 'credentials',
  cloud_credential_error: 'credentials',
  rate_limit: 'rate_limit',
  overloaded: 'transient',
  server_error: 'transient',
  context: 'context',
};

/** Errors by which asking again changes nothing, although Claude does so by itself. */
export function isPointless(error: string | undefined): boolean {
  return error !== undefined && CLASSES[error] === 'credentials';
}

/** The failure as the host and a person are to know it. Pure. */
export function claudeError({ error, reason, words, retryAt }: ClaudeFailure): TurnError {
  const kind = kindOf(error, reason, words);
  const todo = TO_DO[kind];
  const said = words.trim().slice(0, 500);
  const message =
    todo === undefined ? `Claude could not go on: ${said || 'it gave no reason'}` : `${todo} (${said})`;
  const errorClass = CLASSES[kind] ?? (isNetwork(words) ? 'transient' : 'permanent');
  return new TurnError(errorClass, message, retryAt === undefined ? {} : { retryAt });
}

function kindOf(error = 'unknown', reason: string | undefined, words: string): string {
  if (reason === 'prompt_too_long' || /prompt is too long|context (window|length|limit)/i.test(words))
    return 'context';
  if (error === 'authentication_failed' && /not logged in|\/login/i.test(words)) return 'no_key';
  return error === 'server_error' && /overloaded/i.test(words) ? 'overloaded' : error;
}

/** Nothing answered, or not to its end: it may pass. */
function isNetwork(words: string): boolean {
  return /connection error|unable to connect|ECONN|ETIMEDOUT|ENOTFOUND|socket|network|timed? ?out/i.test(
    words,
  );
}
