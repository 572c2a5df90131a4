import type { Group } from './group.ts';

/** What the host has to know of a provider; the provider itself lives in the runner. */
export interface ProviderFacts {
  /** Hosts that it cannot work without: the default of `network`. None: the default is no network. */
  hosts: readonly string[];
  /** True: the group has it work with somebody else's host, so that it does without those. */
  worksElsewhere?(group: Pick<Group, 'agent' | 'env'>): boolean;
}

/** The providers that a `group.yaml` may name. */
export const providers: Readonly<Record<string, ProviderFacts>> = {
  echo: { hosts: [] },
  command: { hosts: [] },
  claude: {
    hosts: ['api.anthropic.com'],
    worksElsewhere: ({ env }) =>
      Object.keys(env).some((name) => /^(ANTHROPIC_.*BASE_URL|CLAUDE_CODE_USE_)/.test(name)),
  },
  opencode: {
    hosts: ['api.anthropic.com'],
    worksElsewhere: ({ agent: { model = 'anthropic/', options } }) =>
      !model.startsWith('anthropic/') || Object.keys(options).length > 0,
  },
};
