import type { Provider, ProviderContext, ProviderModule } from './providers/provider.ts';
import { providerNames } from './providers/registry.ts';
import { TurnError } from './providers/turn-error.ts';

/** Where the session's provider sits: started by the first turn that needs it. */
export class ProviderSeat {
  readonly module: ProviderModule | undefined;
  readonly #context: ProviderContext;
  #provider: Promise<Provider> | undefined;
  #started: Provider | undefined;

  constructor(module: ProviderModule | undefined, context: ProviderContext) {
    this.module = module;
    this.#context = context;
  }

  get name(): string {
    return this.#context.environment.provider;
  }

  /** @throws TurnError when there is no such provider; whatever its start throws, and then the next turn tries again. */
  async get(): Promise<Provider> {
    this.#provider ??= this.#start();
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

  async #start(): Promise<Provider> {
    if (!this.module) {
      const known = providerNames.join(', ');
      throw new TurnError('permanent', `There is no provider "${this.name}": this runner has ${known}.`);
    }
    this.#started = await this.module.start(this.#context);
    return this.#started;
  }
}
