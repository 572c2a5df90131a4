// The same call of Claude's SDK without Berth: each line of stdin is a message, each end of a turn a line `done`.
import { createInterface } from 'node:readline';

/** Where the image of the group has it. */
const SDK = '/usr/local/lib/node_modules/@anthropic-ai/claude-agent-sdk/core.mjs';
const { query } = await import(SDK);

async function* messages() {
  for await (const line of createInterface({ input: process.stdin })) {
    const content = [{ type: 'text', text: line }];
    yield { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null };
  }
}

const options = {
  cwd: '/group',
  env: {
    ...process.env,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    DISABLE_AUTOUPDATER: '1',
  },
  permissionMode: 'bypassPermissions',
  allowDangerouslySkipPermissions: true,
  includePartialMessages: true,
  systemPrompt: { type: 'preset', preset: 'claude_code', append: 'You are measured.', snapshot: false },
};
for await (const message of query({ prompt: messages(), options }))
  if (message.type === 'result') process.stdout.write('done\n');
