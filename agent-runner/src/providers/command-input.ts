import { isAbsolute, join } from 'node:path';
import type { SessionBody } from '../../../contract/bodies.ts';
import { inGroup } from '../in-group.ts';
import type { ProviderContext, Turn } from './provider.ts';
import { TurnError } from './turn-error.ts';

/**
 * The command with `/group/…` where the group's folder really is, which is elsewhere without a container.
 * @throws TurnError when the group names no command.
 */
export function resolveCommand(session: SessionBody, groupDir: string): [string, ...string[]] {
  const [program, ...rest] = (session.agent.command ?? []).map((part) => inGroup(part, groupDir));
  if (!program) {
    throw new TurnError(
      'permanent',
      'The provider "command" needs a command: set agent.command in group.yaml.',
    );
  }
  // A name without a slash is looked for in the PATH, a relative path in the group's folder.
  const path = program.includes('/') && !isAbsolute(program) ? join(groupDir, program) : program;
  return [path, ...rest];
}

/** What a program is told of a turn. */
export function toInput(turn: Turn, { environment, mcpServers }: ProviderContext) {
  const asked = turn.messages.findLast((message) => !message.context) ?? turn.messages.at(-1);
  return {
    session: environment.session,
    group: environment.group,
    groupName: environment.groupName,
    chat: asked?.chat ?? '',
    thread: asked?.thread ?? null,
    attempt: turn.attempt,
    conversation: turn.session.conversation ?? 0,
    notices: turn.session.notices,
    messages: turn.messages,
    outDir: turn.filesDir(),
    ...(Object.keys(mcpServers).length > 0 && { mcp: mcpServers }),
  };
}
