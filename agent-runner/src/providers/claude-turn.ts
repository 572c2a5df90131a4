import { claudeError, isPointless } from './claude-errors.ts';
import type {
  ClaudeBlock,
  ClaudeMessage,
  ClaudeResult,
  ClaudeRetry,
  ClaudeStreamEvent,
} from './claude-sdk.ts';
import type { Reply, TurnEvents, TurnResult, Usage } from './provider.ts';
import { toolSilence } from './tool-silence.ts';

export interface ClaudeTurnDeps {
  events: TurnEvents;
  turnLimitMs: number;
}

/** Claude has no conversation of that id (any more). */
export class ConversationLost extends Error {}

const LOST = /no conversation found/i;

/**
 * One turn as the runner sees it. Claude may make several turns of it: what is said to it while it works either joins the one
 * that runs or gets one of its own, and each answers what it has taken in; this turn is over when all that was said has been
 * taken in by one that has ended.
 */
export class ClaudeTurn {
  readonly #deps: ClaudeTurnDeps;
  readonly #done = Promise.withResolvers<TurnResult>();
  /** What was said and not yet answered: ids of messages by the id of the input. */
  readonly #open = new Map<string, string[]>();
  #usage: Usage[] = [];
  /** Tools in flight: until when silence is normal. */
  readonly #tools = new Map<string, { name: string; until: number }>();
  #text = '';
  /** What it said last, whole. */
  #said = '';
  #error: string | undefined;
  /** Unix seconds. */
  #limitEnds: number | undefined;
  #over = false;
  #session: string | undefined;

  constructor(deps: ClaudeTurnDeps) {
    this.#deps = deps;
  }

  /** What the turn came to. @throws TurnError, ConversationLost. */
  get result(): Promise<TurnResult> {
    return this.#done.promise;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** True when Claude itself has ended all that belongs to it. */
  get isSettled(): boolean {
    return this.#session !== undefined && this.#open.size === 0;
  }

  /** Claude's id of the conversation, once one of its turns has ended. */
  get session(): string | undefined {
    return this.#session;
  }

  /** This was said to Claude. @param ids of the messages in it that wait for an answer. */
  said(uuid: string, ids: string[]): void {
    this.#open.set(uuid, ids);
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#done.reject(error);
  }

  take(message: ClaudeMessage): void {
    if (this.#over) return;
    switch (message.type) {
      case 'stream_event':
        this.#stream(message.event, message.parent_tool_use_id === null);
        break;
      case 'assistant':
        if (message.parent_tool_use_id === null) this.#note(message.error, message.message.content);
        for (const block of message.message.content) this.#toolBegins(block);
        this.#deps.events.onLife();
        break;
      case 'user':
        this.#toolsEnd(message.message.content);
        break;
      case 'rate_limit_event':
        if (message.rate_limit_info.status === 'rejected') this.#limitEnds = message.rate_limit_info.resetsAt;
        break;
      case 'system':
        if (message.subtype === 'api_retry') this.#retries(message);
        else this.#deps.events.onLife();
        break;
      case 'result':
        this.#ends(message);
        break;
      default:
        this.#deps.events.onLife();
    }
  }

  #note(error: string | undefined, content: ClaudeBlock[]): void {
    this.#error = error;
    this.#said = content.map(({ text = '' }) => text).join('') || this.#said;
  }

  #stream({ type, delta }: ClaudeStreamEvent, isOwn: boolean): void {
    const { events } = this.#deps;
    if (isOwn && type === 'message_start') this.#text = '';
    if (isOwn && delta?.type === 'text_delta') {
      this.#text += delta.text ?? '';
      events.onText(this.#text);
    } else events.onLife();
  }

  #toolBegins({ type, id, name = 'a tool', input }: ClaudeBlock): void {
    if (type !== 'tool_use' || id === undefined) return;
    this.#tools.set(id, { name, until: Date.now() + toolSilence(name, input, this.#deps.turnLimitMs) });
    this.#showTools();
  }

  #toolsEnd(content: string | ClaudeBlock[]): void {
    if (typeof content === 'string') return;
    const ended = content.filter(({ tool_use_id: id }) => id !== undefined && this.#tools.delete(id));
    if (ended.length > 0) this.#showTools();
  }

  /** Of several the one that may be silent the longest. */
  #showTools(): void {
    const [last] = [...this.#tools.values()].sort((a, b) => b.until - a.until);
    this.#deps.events.onTool(last ? { name: last.name, quietMs: last.until - Date.now() } : null);
  }

  #retries({ error, error_status: status, retry_delay_ms: delay = 0 }: ClaudeRetry): void {
    if (isPointless(error)) {
      this.fail(claudeError({ error, words: `its API answers ${status ?? 'nothing'}` }));
      return;
    }
    const why =
      error === 'rate_limit'
        ? 'Claude takes no more requests for now, because a limit of the account is reached'
        : error === 'overloaded'
          ? 'Claude is overloaded at the moment'
          : 'Claude does not answer at the moment';
    this.#deps.events.onWait({ why, until: Date.now() + delay });
  }

  #ends(result: ClaudeResult): void {
    const { subtype, is_error: isError, result: words, errors = [], terminal_reason: reason } = result;
    this.#usage.push(...usageOf(result));
    const answers = this.#close(result);
    const said = words ?? errors.join('; ');
    if (isError && LOST.test(said)) {
      this.fail(new ConversationLost(said));
      return;
    }
    this.#session = result.session_id;
    if (isError || subtype !== 'success') {
      const retryAt = this.#limitEnds === undefined ? undefined : this.#limitEnds * 1000;
      this.fail(claudeError({ error: this.#error, reason, words: said || subtype, retryAt }));
      return;
    }
    // Of its own commands the result has no words.
    this.#answer({ text: words || this.#said, answers }, result.session_id);
    this.#said = '';
  }

  /** Who asked first neither waits for what was asked meanwhile, nor loses the answer with that. */
  #answer(said: Reply, session: string): void {
    const isSilent = said.text.trim() === '';
    const reply = isSilent ? { ...said, text: '', silent: true } : said;
    const part = { replies: [reply], remember: { [CONVERSATION]: session }, usage: this.#usage };
    if (this.#open.size === 0) {
      this.#over = true;
      this.#done.resolve(part);
    } else if (!isSilent || said.answers?.length) {
      this.#usage = [];
      this.#deps.events.answer(part).catch((error: Error) => this.fail(error));
    }
  }

  /** @returns ids of the messages that Claude's turn has answered. */
  #close({ user_message_uuids: uuids, queued_turn_count: queued = 0 }: ClaudeResult): string[] {
    const known = uuids?.filter((uuid) => this.#open.has(uuid)) ?? [];
    // One that names nothing of ours, with nothing behind it, has taken in all that there was.
    const closed = known.length > 0 || queued > 0 ? known : [...this.#open.keys()];
    return closed.flatMap((uuid) => {
      const ids = this.#open.get(uuid) ?? [];
      this.#open.delete(uuid);
      return ids;
    });
  }
}

/** Under this key the runner keeps Claude's id of the conversation. */
export const CONVERSATION = 'claude.conversation';

function usageOf({
  model_usage_since_last_result: models = {},
  duration_ms: durationMs,
}: ClaudeResult): Usage[] {
  return Object.entries(models).map(([model, used], index) => ({
    model,
    inputTokens: used.inputTokens,
    outputTokens: used.outputTokens,
    cacheReadTokens: used.cacheReadInputTokens,
    cacheWriteTokens: used.cacheCreationInputTokens,
    costUsd: used.costUSD,
    ...(index === 0 && durationMs !== undefined ? { durationMs } : {}),
  }));
}
