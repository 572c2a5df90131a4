/** What the host has to know of a provider; the provider itself lives in the runner. */
export interface ProviderFacts {
  /** Hosts that it cannot work without: the default of `network`. None: the default is no network. */
  hosts: readonly string[];
}

/** The providers that a `group.yaml` may name. */
export const providers: Readonly<Record<string, ProviderFacts>> = {
  echo: { hosts: [] },
  command: { hosts: [] },
  claude: { hosts: ['api.anthropic.com'] },
  opencode: { hosts: ['api.anthropic.com'] },
};
