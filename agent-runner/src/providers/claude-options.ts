import type { ChildProcess } from 'node:child_process';
import type { ClaudeOptions, ClaudeSpawn } from './claude-sdk.ts';
import { describePlace } from './describe-place.ts';
import { type ProviderContext, TOOL_CALL_PATIENCE_MS } from './provider.ts';

/** Tools that need somebody at a terminal, or that the host does better: it asks, plans and wakes. */
const NOT_HERE = ['AskUserQuestion', 'EnterPlanMode', 'ExitPlanMode', 'ScheduleWakeup'];

/**
 * How the agent is started. What `agent.options` of group.yaml says reaches the SDK as it is (effort, maxTurns,
 * fallbackModel …), except what this place decides itself.
 */
export function claudeOptions(
  context: ProviderContext,
  resume: string | undefined,
  spawn: (order: ClaudeSpawn) => ChildProcess,
): ClaudeOptions {
  const { model, options } = context.session.agent;
  const disallowed = Array.isArray(options.disallowedTools) ? options.disallowedTools : [];
  return {
    ...options,
    ...(model === undefined ? {} : { model }),
    ...(resume === undefined ? {} : { resume }),
    cwd: context.environment.groupDir,
    env: { ...process.env, ...quietly(context.session.turnLimitMs) },
    // The container is the wall: within it nobody is asked.
    permissionMode: 'bypassPermissions',
    allowDangerouslySkipPermissions: true,
    disallowedTools: [...NOT_HERE, ...disallowed],
    includePartialMessages: true,
    mcpServers: context.mcpServers,
    // Rendered anew at each start: instructions may have changed since.
    systemPrompt: { type: 'preset', preset: 'claude_code', append: describePlace(context), snapshot: false },
    spawnClaudeCodeProcess: spawn,
  };
}

/** No word to anybody but its API, nothing that goes on after a turn, and commands as long as a turn. */
function quietly(turnLimitMs: number): Record<string, string> {
  return {
    CLAUDE_AGENT_SDK_CLIENT_APP: 'berth',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    DISABLE_AUTOUPDATER: '1',
    MCP_TOOL_TIMEOUT: String(TOOL_CALL_PATIENCE_MS),
    BASH_MAX_TIMEOUT_MS: String(turnLimitMs),
  };
}
