import { isAbsolute, join } from 'node:path';
import type { SessionBody } from '../../../contract/bodies.ts';
import { inGroup } from '../in-group.ts';
import { parseOutput } from './command-output.ts';
import { type RunningProgram, runProgram } from './command-program.ts';
import type { Provider, ProviderContext, ProviderModule, Turn, TurnResult } from './provider.ts';
import { TurnError } from './turn-error.ts';

/** A person's own program, run once per turn: the messages as JSON on stdin, the reply on stdout. */
export const command: ProviderModule = {
  showsLife: false,
  wantsSlashCommands: true,
  speaksMcp: (session) => session.agent.options.mcp === true,
  messagesPerTurn: (session) => {
    const batch = session.agent.options.batch;
    return typeof batch === 'number' && batch >= 1 ? Math.floor(batch) : 1;
  },
  start: (context) => new CommandProvider(context),
};

class CommandProvider implements Provider {
  readonly #context: ProviderContext;
  #running: RunningProgram | undefined;

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  async runTurn(turn: Turn): Promise<TurnResult> {
    const { environment } = this.#context;
    const outDir = turn.filesDir();
    this.#running = runProgram({
      command: resolveCommand(turn.session, environment.groupDir),
      cwd: environment.groupDir,
      input: JSON.stringify(toInput(turn, this.#context, outDir)),
    });
    try {
      return { replies: parseOutput(await this.#running.output) };
    } finally {
      this.#running = undefined;
    }
  }

  abort(killAfterMs: number): void {
    this.#running?.kill(killAfterMs);
  }

  close(): void {}
}

/**
 * The command with `/group/…` where the group's folder really is, which is elsewhere without a container.
 * @throws TurnError when the group names no command.
 */
function resolveCommand(session: SessionBody, groupDir: string): [string, ...string[]] {
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

/** What the program reads on stdin. */
function toInput(turn: Turn, { environment, mcpServers }: ProviderContext, outDir: string) {
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
    outDir,
    ...(Object.keys(mcpServers).length > 0 && { mcp: mcpServers }),
  };
}
