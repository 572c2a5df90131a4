import { ClaudeAgent } from './claude-agent.ts';
import type { ClaudeSdk } from './claude-sdk.ts';
import { ClaudeTurn, CONVERSATION, ConversationLost } from './claude-turn.ts';
import { describeTurn, isSlashCommand } from './describe-messages.ts';
import { loadClaudeSdk } from './load-claude-sdk.ts';
import type {
  Provider,
  ProviderContext,
  ProviderModule,
  Turn,
  TurnEvents,
  TurnMessage,
  TurnResult,
} from './provider.ts';
import { withServers } from './server-processes.ts';
import { toldOfLossOnce } from './told-of-loss.ts';
import { TurnError } from './turn-error.ts';

/** Claude Code, driven by its SDK: one process as long as the container lives; follow-ups join the running turn. */
export const claude: ProviderModule = {
  showsLife: true,
  wantsSlashCommands: true,
  speaksMcp: true,
  messagesPerTurn: () => Number.POSITIVE_INFINITY,
  start: async (context) => new ClaudeProvider(await loadClaudeSdk(), context),
};

export class ClaudeProvider implements Provider {
  readonly #sdk: ClaudeSdk;
  readonly #context: ProviderContext;
  #agent: ClaudeAgent | undefined;
  #turn: ClaudeTurn | undefined;
  /** All that the runner has handed over in this turn: what is begun afresh is told all of it. */
  #handedOver: TurnMessage[][] = [];

  constructor(sdk: ClaudeSdk, context: ProviderContext) {
    this.#sdk = sdk;
    this.#context = context;
  }

  async runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    this.#handedOver = [turn.messages];
    try {
      return await this.#attempt(turn, events);
    } catch (error) {
      if (!(error instanceof ConversationLost)) throw error;
      this.#context.log(`the conversation cannot be resumed, and is begun afresh: ${error.message}`);
      this.#context.remember(CONVERSATION, null);
      const tell = toldOfLossOnce();
      const answer: TurnEvents['answer'] = (part) => events.answer(tell(part));
      return tell(await this.#attempt(turn, { ...events, answer }));
    }
  }

  push(messages: TurnMessage[]): boolean {
    const turn = this.#turn;
    // A command would not join the running turn, but wait behind it.
    if (!turn || turn.isOver || !this.#agent || messages.some(isSlashCommand)) return false;
    this.#handedOver.push(messages);
    this.#say(turn, messages);
    return true;
  }

  abort(killAfterMs: number): void {
    const agent = this.#agent;
    agent?.interrupt();
    const turn = this.#turn;
    setTimeout(() => turn && !turn.isOver && agent?.kill(), killAfterMs).unref();
  }

  processes(): number[] {
    return withServers(this.#agent?.pid, this.#context.mcpServers);
  }

  close(): void {
    this.#agent?.close();
    this.#agent = undefined;
  }

  async #attempt(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    const running = new ClaudeTurn({ events, turnLimitMs: turn.session.turnLimitMs });
    this.#turn = running;
    try {
      this.#agent ??= this.#startAgent();
      for (const messages of this.#handedOver) this.#say(running, messages);
      return await running.result;
    } catch (error) {
      if (running.session !== undefined) this.#context.remember(CONVERSATION, running.session);
      // What it would go on with belongs to a turn that is over.
      if (!running.isSettled) this.#endAgent();
      throw error;
    } finally {
      this.#turn = undefined;
    }
  }

  #say(turn: ClaudeTurn, messages: TurnMessage[]): void {
    const uuid = process.getBuiltinModule('node:crypto').randomUUID();
    turn.said(
      uuid,
      messages.map(({ id }) => id),
    );
    this.#agent?.say(uuid, describeTurn({ messages }, true));
  }

  #startAgent(): ClaudeAgent {
    const agent: ClaudeAgent = new ClaudeAgent(this.#sdk, this.#context, this.#context.recall(CONVERSATION), {
      // What comes while no turn runs is nobody's: nothing of it can be sent.
      onMessage: (message) => void (this.#agent === agent && this.#turn?.take(message)),
      onEnd: (error) => this.#ended(agent, error),
    });
    return agent;
  }

  #ended(agent: ClaudeAgent, error: Error): void {
    if (this.#agent !== agent) return;
    this.#agent = undefined;
    this.#turn?.fail(
      new TurnError('transient', `Claude's program ended in the middle of the turn: ${error.message}`),
    );
  }

  #endAgent(): void {
    const agent = this.#agent;
    this.#agent = undefined;
    agent?.kill();
  }
}
