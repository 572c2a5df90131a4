import { describeTurn } from './describe-messages.ts';
import { describePlace } from './describe-place.ts';
import type { OpencodeEvent } from './opencode-events.ts';
import { OpencodeServer } from './opencode-server.ts';
import { OPENCODE_SESSION, OpencodeTurn } from './opencode-turn.ts';
import {
  type McpServer,
  type Provider,
  type ProviderContext,
  type ProviderModule,
  TOOL_CALL_PATIENCE_MS,
  type Turn,
  type TurnEvents,
  type TurnMessage,
  type TurnResult,
} from './provider.ts';
import { withServers } from './server-processes.ts';
import { toldOfLoss } from './told-of-loss.ts';
import { TurnError } from './turn-error.ts';

/** OpenCode: `opencode serve` as long as the container lives, driven over its HTTP API. */
export const opencode: ProviderModule = {
  showsLife: true,
  wantsSlashCommands: false,
  speaksMcp: true,
  messagesPerTurn: () => Number.POSITIVE_INFINITY,
  start: (context) => new OpencodeProvider(context),
};

class OpencodeProvider implements Provider {
  readonly #context: ProviderContext;
  #server: OpencodeServer | undefined;
  #session: string | undefined;
  #turn: OpencodeTurn | undefined;
  /** Ids of what was said to OpenCode. */
  readonly #known = new Set<string>();

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  async runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    this.#server ??= await this.#startServer();
    const { session, lost } = await this.#openSession(this.#server);
    const earlier = new Set(this.#known);
    const isNew = (message: string) => !earlier.has(message) && this.#known.add(message).has(message);
    const running = new OpencodeTurn({ session, events, turnLimitMs: turn.session.turnLimitMs, isNew });
    this.#turn = running;
    try {
      running.said(this.#say(turn.messages));
      const result = await running.result;
      return lost ? toldOfLoss(result) : result;
    } catch (error) {
      this.#context.remember(OPENCODE_SESSION, session);
      throw error;
    } finally {
      this.#turn = undefined;
    }
  }

  push(messages: TurnMessage[]): boolean {
    const turn = this.#turn;
    if (!turn || turn.isOver) return false;
    turn.said(this.#say(messages));
    return true;
  }

  abort(killAfterMs: number): void {
    const [server, turn] = [this.#server, this.#turn];
    server?.call('POST', `/session/${this.#session}/abort`).catch(() => undefined); // then it is killed
    setTimeout(() => turn && !turn.isOver && server?.kill(), killAfterMs).unref();
  }

  processes(): number[] {
    return withServers(this.#server?.pid, this.#context.mcpServers);
  }

  close(): void {
    this.#server?.kill();
    this.#server = undefined;
  }

  async #startServer(): Promise<OpencodeServer> {
    const { environment, session, mcpServers } = this.#context;
    const server: OpencodeServer = await OpencodeServer.start({
      cwd: environment.groupDir,
      config: {
        ...session.agent.options,
        ...(session.agent.model === undefined ? {} : { model: session.agent.model }),
        autoupdate: false,
        share: 'disabled',
        // The container is the wall: within it nobody is asked.
        permission: 'allow',
        mcp: Object.fromEntries(Object.entries(mcpServers).map(([name, one]) => [name, toConfig(one)])),
      },
      onEvent: (event: OpencodeEvent) => this.#turn?.take(event),
      onEnd: (reason) => this.#ended(reason),
    });
    return server;
  }

  #ended(reason: string): void {
    this.#server?.kill();
    this.#server = undefined;
    this.#session = undefined;
    this.#turn?.fail(
      new TurnError('transient', `OpenCode's program ended in the middle of the turn: ${reason}.`),
    );
  }

  /** The conversation as it was kept, or a new one. @returns lost: there was one, and OpenCode does not know it any more. */
  async #openSession(server: OpencodeServer): Promise<{ session: string; lost: boolean }> {
    if (this.#session !== undefined) return { session: this.#session, lost: false };
    const kept = this.#context.recall(OPENCODE_SESSION);
    const found = kept !== undefined && (await server.call('GET', `/session/${kept}`)).status === 200;
    const session = found ? kept : (await server.call<{ id: string }>('POST', '/session', {})).body.id;
    this.#session = session;
    return { session, lost: kept !== undefined && !found };
  }

  async #say(messages: TurnMessage[]): Promise<void> {
    await this.#server?.call('POST', `/session/${this.#session}/prompt_async`, {
      system: describePlace(this.#context),
      parts: [{ type: 'text', text: describeTurn({ messages }, false) }],
    });
  }
}

/** A server of tools as OpenCode's configuration names it. */
function toConfig(server: McpServer): object {
  const said = { enabled: true, timeout: TOOL_CALL_PATIENCE_MS };
  if (!('command' in server)) return { ...said, type: 'remote', url: server.url, headers: server.headers };
  const { command, args, env } = server;
  return { ...said, type: 'local', command: [command, ...args], environment: env };
}
