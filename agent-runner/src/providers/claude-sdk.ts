import type { ChildProcess } from 'node:child_process';
import type { McpServer } from './provider.ts';

/*
 * As much of `@anthropic-ai/claude-agent-sdk` as is used here. The package is in the image of the groups that want it and
 * nowhere else, so its own types are not at hand.
 */

export const CLAUDE_PACKAGE = '@anthropic-ai/claude-agent-sdk';

export interface ClaudeSdk {
  query(call: { prompt: AsyncIterable<ClaudeInput>; options: ClaudeOptions }): ClaudeQuery;
}

export interface ClaudeQuery extends AsyncIterable<ClaudeMessage> {
  /** Ends the running turn; the process lives on. */
  interrupt(): Promise<unknown>;
  /** Ends the process. */
  close(): void;
}

interface ClaudeInput {
  type: 'user';
  uuid: string;
  message: { role: 'user'; content: { type: 'text'; text: string }[] };
  parent_tool_use_id: null;
}

export interface ClaudeOptions extends Record<string, unknown> {
  cwd: string;
  env: NodeJS.ProcessEnv;
  resume?: string;
  model?: string;
  mcpServers: Readonly<Record<string, McpServer>>;
  spawnClaudeCodeProcess(order: ClaudeSpawn): ChildProcess;
}

export interface ClaudeSpawn {
  command: string;
  args: string[];
  cwd?: string;
  env: NodeJS.ProcessEnv;
}

export interface ClaudeBlock {
  type: string;
  text?: string;
  id?: string;
  name?: string;
  input?: Record<string, unknown>;
  tool_use_id?: string;
}

interface FromAgent {
  /** Set on what a subagent does. */
  parent_tool_use_id: string | null;
}

/** What comes out of the agent's process, as far as it is looked at. */
export type ClaudeMessage =
  | (FromAgent & { type: 'stream_event'; event: ClaudeStreamEvent })
  | (FromAgent & { type: 'assistant'; error?: string; message: { content: ClaudeBlock[] } })
  | (FromAgent & { type: 'user'; message: { content: string | ClaudeBlock[] } })
  | ClaudeRetry
  | ClaudeLimit
  | ClaudeResult
  | { type: 'other' };

export interface ClaudeStreamEvent {
  type: string;
  delta?: { type: string; text?: string };
}

/** It waits, and asks its API again. */
export interface ClaudeRetry {
  type: 'system';
  subtype: string;
  error?: string;
  error_status?: number | null;
  retry_delay_ms?: number;
}

/** How the limits of a subscription stand. */
interface ClaudeLimit {
  type: 'rate_limit_event';
  /** `resetsAt` is in Unix seconds. */
  rate_limit_info: { status: string; resetsAt?: number };
}

/** The end of one of its turns. */
export interface ClaudeResult {
  type: 'result';
  subtype: string;
  is_error: boolean;
  session_id: string;
  /** What it said last, or what went wrong. */
  result?: string;
  errors?: string[];
  terminal_reason?: string;
  /** The inputs that this turn has taken in; others, if any, get a turn of their own. */
  user_message_uuids?: string[];
  queued_turn_count?: number;
  duration_ms?: number;
  model_usage_since_last_result?: Record<string, ClaudeUsage>;
}

interface ClaudeUsage {
  inputTokens: number;
  outputTokens: number;
  cacheReadInputTokens: number;
  cacheCreationInputTokens: number;
  costUSD: number;
}
