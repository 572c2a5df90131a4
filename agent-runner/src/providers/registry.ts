import type { ProviderModule } from './provider.ts';

/** Every provider by its name in `group.yaml`. Loaded only when asked for: a start pays for one, not for all. */
const providers: Record<string, () => Promise<ProviderModule>> = {
  echo: async () => (await import('./echo.ts')).echo,
  command: async () => (await import('./command.ts')).command,
  opencode: async () => (await import('./opencode.ts')).opencode,
  claude: async () => (await import('./claude.ts')).claude,
};

/** The names that `group.yaml` may give as `agent.provider`. */
export const providerNames = Object.keys(providers);

/** Loads a provider; `undefined` when there is none of that name. */
export async function loadProvider(name: string): Promise<ProviderModule | undefined> {
  return Object.hasOwn(providers, name) ? providers[name]?.() : undefined;
}
