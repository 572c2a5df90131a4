import { opencodeError } from './opencode-errors.ts';
import type {
  OpencodeError,
  OpencodeEvent,
  OpencodeMessage,
  OpencodePart,
  OpencodeStatus,
} from './opencode-events.ts';
import type { TurnEvents, TurnResult, Usage } from './provider.ts';
import { toolSilence } from './tool-silence.ts';

export interface OpencodeTurnDeps {
  session: string;
  events: TurnEvents;
  turnLimitMs: number;
  /** False for messages of earlier turns, of which there may still be word. */
  isNew(message: string): boolean;
}

/** Under this key the runner keeps OpenCode's id of the conversation. */
export const OPENCODE_SESSION = 'opencode.session';

/**
 * One turn: over when OpenCode's session is idle and nothing more was said to it meanwhile. In between OpenCode may shorten
 * a conversation that became too long: it says so by an error, writes a summary and messages in the person's name, and goes on.
 */
export class OpencodeTurn {
  readonly #deps: OpencodeTurnDeps;
  readonly #done = Promise.withResolvers<TurnResult>();
  /** What the model has said in this turn: messages by id, in order, and their texts by part. */
  readonly #messages = new Map<string, OpencodeMessage>();
  readonly #texts = new Map<string, { message: string; text: string }>();
  readonly #tools = new Map<string, { name: string; until: number }>();
  /** Ids of the parts that were said to OpenCode and are not yet part of a message there. */
  readonly #unheard = new Set<string>();
  /** The conversation is too long, and nothing has come of that so far. */
  #overflow: OpencodeError | undefined;
  #over = false;

  constructor(deps: OpencodeTurnDeps) {
    this.#deps = deps;
  }

  get result(): Promise<TurnResult> {
    return this.#done.promise;
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Something is said to OpenCode, as the part of that id: the turn is not over before it is answered. */
  said(part: string, sent: Promise<unknown>): void {
    this.#unheard.add(part);
    sent.catch((error: Error) => this.fail(error));
  }

  fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#done.reject(error);
  }

  take(event: OpencodeEvent): void {
    if (this.#over) return;
    const { session, events } = this.#deps;
    switch (event.type) {
      case 'message.updated':
        if (event.properties.info.sessionID === session) this.#message(event.properties.info);
        events.onLife();
        break;
      case 'message.part.updated':
        if (event.properties.part.sessionID === session) this.#part(event.properties.part);
        else events.onLife();
        break;
      case 'message.part.delta':
        this.#grow(event.properties);
        break;
      case 'session.status':
        if (event.properties.sessionID === session) this.#status(event.properties.status);
        break;
      case 'session.error':
        if (event.properties.sessionID === session) this.#trouble(event.properties.error);
        break;
      case 'session.idle':
        if (event.properties.sessionID === session) this.#finish();
        break;
      default:
    }
  }

  #message(info: OpencodeMessage): void {
    // Of what was aborted before there may still be word.
    if (info.role !== 'assistant' || !this.#deps.isNew(info.id)) return;
    if (!this.#messages.has(info.id)) this.#overflow = undefined;
    this.#messages.set(info.id, info);
  }

  #trouble(error: OpencodeError | undefined): void {
    this.#deps.events.onLife();
    // An abort is told by its message as well, and is over when the session is idle.
    if (!error || error.name === 'MessageAbortedError') return;
    if (error.name === 'ContextOverflowError') this.#overflow = error;
    else this.fail(opencodeError(error, Date.now()));
  }

  #part({ id, messageID, type, text, synthetic, callID, tool = 'a tool', state }: OpencodePart): void {
    const { events, turnLimitMs } = this.#deps;
    const message = this.#messages.get(messageID);
    this.#unheard.delete(id);
    if (type === 'text' && message && !isSummary(message) && !synthetic) {
      this.#texts.set(id, { message: messageID, text: text ?? '' });
      events.onText(this.#textOf(messageID));
    } else if (type === 'tool' && callID !== undefined) {
      if (state?.status === 'running') {
        if (this.#tools.has(callID)) return;
        this.#tools.set(callID, {
          name: tool,
          until: Date.now() + toolSilence(tool, state.input, turnLimitMs),
        });
        this.#showTools();
      } else if (state?.status !== 'pending' && this.#tools.delete(callID)) this.#showTools();
    } else events.onLife();
  }

  #grow({
    messageID,
    partID,
    field,
    delta,
  }: {
    messageID: string;
    partID: string;
    field: string;
    delta: string;
  }): void {
    const part = this.#texts.get(partID);
    if (!part || field !== 'text') {
      this.#deps.events.onLife();
      return;
    }
    part.text += delta;
    this.#deps.events.onText(this.#textOf(messageID));
  }

  #showTools(): void {
    const [last] = [...this.#tools.values()].sort((a, b) => b.until - a.until);
    this.#deps.events.onTool(last ? { name: last.name, quietMs: last.until - Date.now() } : null);
  }

  #status({ type, message = '', next }: OpencodeStatus): void {
    if (type === 'retry') this.#deps.events.onWait({ why: whyWaits(message), until: next ?? Date.now() });
    if (type === 'idle') this.#finish();
  }

  /** Idle before it has taken what was said is not the end: it begins again with that. */
  #finish(): void {
    if (this.#over || this.#unheard.size > 0) return;
    const messages = [...this.#messages.values()];
    const failed = messages.findLast(({ error }) => error)?.error ?? this.#overflow;
    if (failed) {
      this.fail(opencodeError(failed, Date.now()));
      return;
    }
    this.#over = true;
    const said = messages.filter(isSaid).map(({ id }) => this.#textOf(id));
    const text = said.filter((one) => one.trim() !== '').join('\n\n');
    this.#done.resolve({
      replies: [text === '' ? { text: '', silent: true } : { text }],
      remember: { [OPENCODE_SESSION]: this.#deps.session },
      usage: messages.flatMap(usageOf),
    });
  }

  #textOf(message: string): string {
    const own = [...this.#texts.values()].filter((part) => part.message === message);
    return own.map(({ text }) => text).join('');
  }
}

function isSummary({ summary }: OpencodeMessage): boolean {
  return summary === true;
}

/** For the person. What has no end was cut off where the conversation became too long, and was said again. */
function isSaid({ finish }: OpencodeMessage): boolean {
  return finish !== undefined && finish !== 'tool-calls';
}

function whyWaits(message: string): string {
  const words = message.replace(/[.\s]+$/, '').slice(0, 200);
  return `The model's API takes no request at the moment${words && ` (${words})`}`;
}

function usageOf({ modelID, cost, tokens }: OpencodeMessage): Usage[] {
  if (!tokens) return [];
  return [
    {
      ...(modelID === undefined ? {} : { model: modelID }),
      inputTokens: tokens.input,
      outputTokens: tokens.output + tokens.reasoning,
      cacheReadTokens: tokens.cache.read,
      cacheWriteTokens: tokens.cache.write,
      ...(cost === undefined ? {} : { costUsd: cost }),
    },
  ];
}
