import { homedir } from 'node:os';
import { BerthError } from '../errors.ts';
import type { Group } from './group.ts';
import { type GroupFile, groupShape } from './group-shape.ts';
import { type ProviderFacts, providers as shippedProviders, withProviderPackages } from './providers.ts';
import { readYaml } from './read-yaml.ts';
import { describeIssues, describeProblems } from './yaml-problems.ts';

/** What a `group.yaml` is read for. */
export interface ParseContext {
  /** Name of the group's folder. */
  folder: string;
  /** Name of the file in messages. */
  file: string;
  providers?: Readonly<Record<string, ProviderFacts>>;
  /** What `~` stands for in `mounts`; the host user's own home by default. */
  home?: string;
  /** Default of `timezone`; the host's by default. */
  timezone?: string;
}

/**
 * Reads the text of a `group.yaml`.
 * @throws E_GROUP_CONFIG with every problem, by line: file, line, key and what is allowed.
 */
export function parseGroup(text: string, context: ParseContext): Group {
  const { folder, file, providers = shippedProviders, home = homedir(), timezone = hostTimeZone() } = context;
  const yaml = readYaml(text);
  if ('problems' in yaml) throw refusal(describeProblems(file, yaml.problems));
  const shape = groupShape({ providers: Object.keys(providers), home, timezone });
  const { success, data, error } = shape.safeParse(yaml.value);
  if (success) return toGroup(folder, data, providers);
  throw refusal(describeIssues(file, error.issues, yaml));
}

function refusal(problems: string): BerthError {
  return new BerthError('E_GROUP_CONFIG', problems);
}

function toGroup(folder: string, file: GroupFile, providers: Readonly<Record<string, ProviderFacts>>): Group {
  const { agent, limits, idle, network, credentials, ...same } = file;
  const provider = agent.provider ?? (agent.command ? 'command' : 'echo');
  const facts = providers[provider];
  const hosts = facts?.hosts ?? [];
  return {
    ...same,
    // A group's own runner is its own affair.
    image: facts && !file.runner ? withProviderPackages(file.image, facts) : file.image,
    folder,
    agent: { ...agent, provider },
    limits: { memoryBytes: limits.memory, cpus: limits.cpus, pids: limits.pids, turnMs: limits.turn },
    idle: idle === 'off' ? { freezeMs: null, stopMs: null } : { freezeMs: idle.freeze, stopMs: idle.stop },
    network: network ?? (hosts.length > 0 ? { allow: [...hosts] } : 'none'),
    credentials,
  };
}

function hostTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}
