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

/** For so long OpenCode may take to end what it does for a turn that has failed. */
const ABORT_LIMIT_MS = 5000;

/** OpenCode: `opencode serve` as long as the container lives, driven over its HTTP API. */
export const opencode: ProviderModule = {
  showsLife: true,
  wantsSlashCommands: false,
  speaksMcp: true,
  messagesPerTurn: () => Number.POSITIVE_INFINITY,
  start: (context) => new OpencodeProvider(context),
};

/** A turn at hand, also before anything of it was said to OpenCode. */
interface Run {
  stopped: boolean;
  talk?: Talk;
}

/** The conversation in OpenCode that a turn is part of. */
interface Talk {
  server: OpencodeServer;
  session: string;
  turn: OpencodeTurn;
}

class OpencodeProvider implements Provider {
  readonly #context: ProviderContext;
  /** From its start on, also before it listens. */
  #server: OpencodeServer | undefined;
  #session: string | undefined;
  #run: Run | undefined;
  /** Ids of OpenCode's messages that there was word of. */
  readonly #known = new Set<string>();

  constructor(context: ProviderContext) {
    this.#context = context;
  }

  async runTurn(turn: Turn, events: TurnEvents): Promise<TurnResult> {
    const run: Run = { stopped: false };
    this.#run = run;
    try {
      const { server, session, lost } = await this.#open();
      if (run.stopped) throw this.#stoppedSoon();
      const { turnLimitMs } = turn.session;
      const running = new OpencodeTurn({ session, events, turnLimitMs, isNew: this.#isNew() });
      run.talk = { server, session, turn: running };
      const result = await this.#talk(run.talk, turn.messages);
      return lost ? toldOfLoss(result) : result;
    } finally {
      this.#run = undefined;
    }
  }

  /** Whoever stopped the turn found nothing in OpenCode to stop. */
  #stoppedSoon(): TurnError {
    this.#session = undefined; // the next turn looks for it anew, and tells if it was lost
    return new TurnError('aborted', 'The turn was stopped before it began.');
  }

  push(messages: TurnMessage[]): boolean {
    const talk = this.#run?.talk;
    if (!talk || talk.turn.isOver) return false;
    this.#say(talk, messages);
    return true;
  }

  abort(killAfterMs: number): void {
    const [server, run] = [this.#server, this.#run];
    if (!run) return;
    run.stopped = true;
    if (run.talk) abortSession(run.talk).catch(() => undefined); // then it is killed
    setTimeout(() => this.#run === run && server?.kill(), killAfterMs).unref();
  }

  processes(): number[] {
    return withServers(this.#server?.pid, this.#context.mcpServers);
  }

  close(): void {
    this.#server?.kill(); // what then ends is told by its end
  }

  #startServer(): OpencodeServer {
    const { environment, session, mcpServers } = this.#context;
    const server: OpencodeServer = new OpencodeServer({
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
      onEvent: (event) => {
        if (this.#server === server) this.#hear(event);
      },
      onEnd: (reason) => this.#ended(server, reason),
    });
    return server;
  }

  #hear(event: OpencodeEvent): void {
    const turn = this.#run?.talk?.turn;
    if (turn && !turn.isOver) turn.take(event);
    else if (event.type === 'message.updated') this.#known.add(event.properties.info.id);
  }

  /** Tells a turn's messages from those of earlier ones. */
  #isNew(): (message: string) => boolean {
    const earlier = new Set(this.#known);
    return (message) => !earlier.has(message) && this.#known.add(message).has(message);
  }

  #ended(server: OpencodeServer, reason: string): void {
    if (this.#server !== server) return;
    this.#drop(server);
    this.#run?.talk?.turn.fail(
      new TurnError('transient', `OpenCode's program ended in the middle of the turn: ${reason}.`),
    );
  }

  /** It is not used any more; the next turn starts another. */
  #drop(server: OpencodeServer): void {
    server.kill();
    if (this.#server !== server) return;
    this.#server = undefined;
    this.#session = undefined;
  }

  async #open(): Promise<{ server: OpencodeServer; session: string; lost: boolean }> {
    this.#server ??= this.#startServer();
    const server = this.#server;
    try {
      await server.ready;
      return { server, ...(await this.#openSession(server)) };
    } catch (error) {
      this.#drop(server);
      throw error;
    }
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

  async #talk(talk: Talk, messages: TurnMessage[]): Promise<TurnResult> {
    this.#say(talk, messages);
    try {
      return await talk.turn.result;
    } catch (error) {
      this.#context.remember(OPENCODE_SESSION, talk.session);
      await this.#silence(talk);
      throw error;
    }
  }

  #say(talk: Talk, messages: TurnMessage[]): void {
    const part = `prt_${process.getBuiltinModule('node:crypto').randomUUID()}`;
    talk.turn.said(part, this.#prompt(talk, part, messages));
  }

  async #prompt({ server, session }: Talk, id: string, messages: TurnMessage[]): Promise<void> {
    await server.call('POST', `/session/${session}/prompt_async`, {
      system: describePlace(this.#context),
      parts: [{ id, type: 'text', text: describeTurn({ messages }, false) }],
    });
  }

  /** OpenCode may not know that the turn has failed: what it still did for it would become part of the next one's reply. */
  async #silence(talk: Talk): Promise<void> {
    if (this.#server !== talk.server) return;
    this.#session = undefined; // it is looked for anew
    await abortSession(talk, AbortSignal.timeout(ABORT_LIMIT_MS)).catch(() => this.#drop(talk.server));
  }
}

async function abortSession({ server, session }: Talk, signal?: AbortSignal): Promise<void> {
  await server.call('POST', `/session/${session}/abort`, undefined, signal);
}

/** A server of tools as OpenCode's configuration names it. */
function toConfig(server: McpServer): object {
  const said = { enabled: true, timeout: TOOL_CALL_PATIENCE_MS };
  if (!('command' in server)) return { ...said, type: 'remote', url: server.url, headers: server.headers };
  const { command, args, env } = server;
  return { ...said, type: 'local', command: [command, ...args], environment: env };
}
