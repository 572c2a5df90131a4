import type { Group } from './group.ts';

/** What the host has to know of a provider; the provider itself lives in the runner. */
export interface ProviderFacts {
  /** Hosts that it cannot work without: the default of `network`. None: the default is no network. */
  hosts: readonly string[];
  /** True: the group has it work with somebody else's host, so that it does without those. */
  worksElsewhere?(group: Pick<Group, 'agent' | 'env'>): boolean;
  /** npm packages that it cannot work without, as `image.npm` takes them: they are in the image of each of its groups. */
  npm?: readonly string[];
  /** Those of them whose install scripts have to run, as `image.scripts` takes them. */
  scripts?: readonly string[];
}

/** The providers that a `group.yaml` may name. */
export const providers: Readonly<Record<string, ProviderFacts>> = {
  echo: { hosts: [] },
  command: { hosts: [] },
  claude: {
    hosts: ['api.anthropic.com'],
    worksElsewhere: ({ env }) =>
      Object.keys(env).some((name) => /^(ANTHROPIC_.*BASE_URL|CLAUDE_CODE_USE_)/.test(name)),
    npm: ['@anthropic-ai/claude-agent-sdk@0.3.332'],
  },
  opencode: {
    hosts: ['api.anthropic.com'],
    worksElsewhere: ({ agent: { model = 'anthropic/', options } }) =>
      !model.startsWith('anthropic/') || Object.keys(options).length > 0,
    npm: ['opencode-ai@1.18.33'],
    scripts: ['opencode-ai'],
  },
};

/**
 * A group's `image:` with what its provider needs. A package that the group declares by itself stays as it is declared: that is
 * how another version is chosen.
 */
export function withProviderPackages<Image extends { npm: string[]; scripts: string[] }>(
  image: Image,
  { npm = [], scripts = [] }: Pick<ProviderFacts, 'npm' | 'scripts'>,
): Image {
  const own = new Set(image.npm.map(packageName));
  const added = npm.filter((item) => !own.has(packageName(item)));
  return { ...image, npm: [...image.npm, ...added], scripts: [...new Set([...image.scripts, ...scripts])] };
}

/** The package of an item such as `@scope/name@^1.2`. */
export function packageName(item: string): string {
  const at = item.indexOf('@', 1);
  return at < 0 ? item : item.slice(0, at);
}
