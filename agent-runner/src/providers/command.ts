import type { SessionBody } from '../../../contract/bodies.ts';
import { resolveCommand, toInput } from './command-input.ts';
import { parseOutput } from './command-output.ts';
import { type RunningProgram, runProgram } from './command-program.ts';
import { CommandServer } from './command-server.ts';
import type { Provider, ProviderContext, ProviderModule, Turn, TurnEvents, TurnResult } from './provider.ts';

/**
 * A person's own program. Run once per turn: the messages as JSON on stdin, the reply on stdout. Or, with
 * `options: {mode: serve}`, one process for the container's life, which reads a line per turn.
 */
export const command: ProviderModule = {
  showsLife: ({ agent }) => isServed(agent) && agent.options.showsLife !== false,
  wantsSlashCommands: false,
  speaksMcp: (session) => session.agent.options.mcp === true,
  messagesPerTurn: (session) => {
    const batch = session.agent.options.batch;
    return typeof batch === 'number' && batch >= 1 ? Math.floor(batch) : 1;
  },
  start: (context) =>
    isServed(context.session.agent) ? new CommandServer(context) : new CommandProvider(context),
};

function isServed({ options }: SessionBody['agent']): boolean {
  return options.mode === 'serve';
}

class CommandProvider implements Provider {
  readonly #context: ProviderContext;
  #running: RunningProgram | undefined;

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  async runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    const { environment } = this.#context;
    this.#running = runProgram({
      command: resolveCommand(turn.session, environment.groupDir),
      cwd: environment.groupDir,
      input: JSON.stringify(toInput(turn, this.#context)),
      onDraft: events.onText,
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
