import type { SessionBody } from '../../contract/bodies.ts';
import type { McpServer, Provider, ProviderContext, ProviderModule } from './providers/provider.ts';
import { providerNames } from './providers/registry.ts';
import { TurnError } from './providers/turn-error.ts';

export interface ProviderSeatDeps extends Omit<ProviderContext, 'session' | 'mcpServers'> {
  /** Forgets what providers keep of a conversation, and notes the number of the new one. False: it is the one that is noted. */
  converse(conversation: number): boolean;
  /** Makes the session's MCP servers ready, for a provider that speaks MCP. */
  mcpServers(session: SessionBody): Promise<Record<string, McpServer>>;
}

/** Where the session's provider sits: started by the first turn that needs it. */
export class ProviderSeat {
  readonly module: ProviderModule | undefined;
  readonly #deps: ProviderSeatDeps;
  #provider: Promise<Provider> | undefined;
  #started: Provider | undefined;
  #session: SessionBody | undefined;

  constructor(module: ProviderModule | undefined, deps: ProviderSeatDeps) {
    this.module = module;
    this.#deps = deps;
  }

  get name(): string {
    return this.#deps.environment.provider;
  }

  /** Whether the provider calls `events` while it works; where there is no provider, nothing is silent. */
  showsLife(session: SessionBody): boolean {
    const shows = this.module?.showsLife ?? true;
    return typeof shows === 'function' ? shows(session) : shows;
  }

  /** @throws TurnError when there is no such provider; whatever its start throws, and then the next turn tries again. */
  async get(session: SessionBody): Promise<Provider> {
    const conversation = session.conversation ?? 0;
    const goesOn = this.#session !== undefined && (this.#session.conversation ?? 0) === conversation;
    const isNew = !goesOn && this.#deps.converse(conversation);
    if (isNew || (this.#session && !isSameAgent(this.#session, session))) await this.empty();
    this.#session = session;
    this.#provider ??= this.#start(session);
    try {
      return await this.#provider;
    } catch (error) {
      this.#provider = undefined;
      throw error;
    }
  }

  /** Pids of the provider's own processes. */
  processes(): number[] {
    return this.#started?.processes?.() ?? [];
  }

  /** Closes the provider, if it was started. */
  async empty(): Promise<void> {
    const emptied = this.#provider;
    this.#provider = undefined;
    const provider = await emptied;
    if (this.#started === provider) this.#started = undefined;
    await provider?.close();
  }

  async #start(session: SessionBody): Promise<Provider> {
    if (!this.module) {
      const known = providerNames.join(', ');
      throw new TurnError('permanent', `There is no provider "${this.name}": this runner has ${known}.`);
    }
    const { speaksMcp } = this.module;
    const wanted = typeof speaksMcp === 'function' ? speaksMcp(session) : speaksMcp;
    const mcpServers = wanted ? await this.#deps.mcpServers(session) : {};
    this.#started = await this.module.start({ ...this.#deps, session, mcpServers });
    return this.#started;
  }
}

/** The body is read once for as long as it does not change, so that mostly the first glance decides. */
function isSameAgent(before: SessionBody, now: SessionBody): boolean {
  const told = ({ agent, mcp }: SessionBody): string => JSON.stringify([agent, mcp]);
  return before === now || told(before) === told(now);
}
