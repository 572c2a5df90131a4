import type { McpProgram, MessageKind, Sender, SessionBody } from '../../../contract/bodies.ts';
import type { RunnerEnvironment } from '../../../contract/environment.ts';

/** What answers a turn. One file per provider, registered by name in `registry.ts`; a new one needs nothing else changed. */
export interface ProviderModule {
  /**
   * False: it is silent from the start of a turn to its end, and the runner says so to the host
   * (`tool_until` = the turn's limit). True: it calls `events` while it works. Or what the group's options say of that.
   */
  readonly showsLife: boolean | ((session: SessionBody) => boolean);
  /** True: a person's `/command` has a turn of its own, in which it can be handed on as it was typed. */
  readonly wantsSlashCommands: boolean;
  /**
   * True (or true for such a session): its agent speaks MCP and is given {@link ProviderContext.mcpServers}; for others none
   * is made ready. A call of the server `berth` may take a minute ({@link LONGEST_TOOL_CALL_MS}): let its client wait longer.
   */
  readonly speaksMcp: boolean | ((session: SessionBody) => boolean);
  /** How many messages that start a turn it takes at once; context-only ones come along and do not count. */
  messagesPerTurn(session: SessionBody): number;
  /**
   * Called before the first turn, and again after a turn that it did not end when told to, or when what the group says of
   * its agent has changed.
   * @throws {@link TurnError}: the messages that wait fail with it.
   */
  start(context: ProviderContext): Promise<Provider> | Provider;
}

export interface ProviderContext {
  readonly environment: RunnerEnvironment;
  /** As the host describes it now; each {@link Turn} has its own. */
  readonly session: SessionBody;
  /** By name. Only where the provider {@link ProviderModule.speaksMcp}. */
  readonly mcpServers: Readonly<Record<string, McpServer>>;
  /** A value kept in this session, also across stops: a stored continuation, for example. */
  recall(key: string): string | undefined;
  /** Keeps a value at once; `null` forgets it. What belongs to a turn goes into {@link TurnResult.remember} instead. */
  remember(key: string, value: string | null): void;
  /** A line for the container's log. */
  log(line: string): void;
}

/** A server of tools for the agent: one that listens, or a program that speaks MCP on stdin and stdout. */
export type McpServer = { type: 'http'; url: string; headers: Record<string, string> } | McpProgram;

/** The longest call of the session's own tools: `ask_user`, which waits for a person. */
export const LONGEST_TOOL_CALL_MS = 60_000;

/** For how long a client of MCP is to wait for an answer; by themselves most give up sooner. */
export const TOOL_CALL_PATIENCE_MS = LONGEST_TOOL_CALL_MS + 30_000;

/**
 * The container may be frozen between two turns, for seconds or for hours: memory and processes are as they were, the
 * connections to others may be dead, and nobody says so. A provider that keeps one open tries the first request of a turn
 * again on a new connection before it lets the turn fail.
 */
export interface Provider {
  /**
   * Answers the messages. At most one turn runs at a time.
   * @throws {@link TurnError} with a class for the host and words for a person.
   */
  runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> | TurnResult;
  /**
   * Hands over messages that came while the turn runs (also a nudge of the host's). True: taken, the turn's replies
   * answer them too. False: the turn is about to end, and they wait for the next; or it has not begun yet, and they are
   * handed over again at the first call of `events`. Absent: never.
   */
  push?(messages: TurnMessage[]): boolean;
  /** Ends the running turn: `runTurn` rejects soon. What does not end by being asked is killed after so many milliseconds. */
  abort(killAfterMs: number): void;
  /**
   * Pids of processes of its own that live between turns, if any. With any other process about, the container is not
   * frozen: the agent has left something running, which may hold a lock on a file that other sessions wait for.
   */
  processes?(): number[];
  /** Gives everything back; no turn runs then. */
  close(): Promise<void> | void;
}

export interface Turn {
  /** Oldest first. Those with `context: true` are for reading; nobody waits for an answer to them. */
  messages: TurnMessage[];
  /** Above 1: this was tried before, and some of it may have been done already. */
  attempt: number;
  session: SessionBody;
  /** Makes a folder for files that are to be sent; it is gone after the turn. @returns its absolute path. */
  filesDir(): string;
}

export interface TurnMessage {
  id: string;
  attempt: number;
  kind: MessageKind;
  context: boolean;
  text: string;
  sender: Sender;
  chat: string;
  thread: string | null;
  /** Paths are absolute. */
  files: { name: string; path: string; type: string; bytes: number }[];
  /** Unix milliseconds. */
  createdAt: number;
  /** The question that this message answers. */
  answers?: string | undefined;
  /** What was asked, where it is still known. */
  question?: string | undefined;
}

/** How a provider tells what happens while the turn runs. Each call counts as a sign of life. */
export interface TurnEvents {
  /** The reply so far, whole. */
  onText(text: string): void;
  /** A tool begins (with how many milliseconds of silence are normal), or ends (`null`). */
  onTool(tool: { name: string; quietMs: number } | null): void;
  /**
   * It waits for something outside and goes on by itself, at `until` (Unix milliseconds): a rate limit, for example. The
   * person is told `why` (a sentence without its full stop) when that takes long.
   */
  onWait(wait: { why: string; until: number }): void;
  /** A sign of life that is none of these. */
  onLife(): void;
  /** Sends something now, in mid-turn. It is durable when this resolves, and is the turn's own risk. */
  send(reply: Reply): Promise<void>;
  /**
   * Answers for good those messages of the turn that the replies list, while the turn goes on for the others: what comes of
   * them takes nothing of this back. It is durable when this resolves; only then the turn may end.
   */
  answer(part: TurnResult): Promise<void>;
}

export interface TurnResult {
  /** At least one. What no reply lists in `answers` is answered by the last one. */
  replies: Reply[];
  /** Kept in the same transaction as the replies; `null` forgets. */
  remember?: Record<string, string | null>;
  usage?: Usage[];
}

export interface Reply {
  text: string;
  /** `path` absolute or relative to the group's folder; the runner copies the file. */
  files?: { path: string; name?: string | undefined }[];
  /** Ids of the messages that this reply answers. */
  answers?: string[];
  /** True: the messages are answered and nothing is to be said. */
  silent?: boolean;
  /** Name of a destination; absent: back to where the message came from. */
  destination?: string;
}

/** What a turn cost. */
export interface Usage {
  model?: string;
  inputTokens?: number;
  outputTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  costUsd?: number;
  durationMs?: number;
}
