import { readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAllowed } from '../allow-list.ts';
import { BerthError } from '../errors.ts';
import type { Group } from './group.ts';
import { type GroupFile, groupShape, providerOf } from './group-shape.ts';
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
  const { file, providers = shippedProviders, home = homedir() } = context;
  const yaml = readYaml(text);
  if ('problems' in yaml) throw refusal(describeProblems(file, yaml.problems));
  const shape = groupShape({ providers: Object.keys(providers), home });
  const { success, data, error } = shape.safeParse(yaml.value);
  if (!success) throw refusal(describeIssues(file, error.issues, yaml));
  const group = toGroup(data, providers, context);
  const unreachable = hostsOutOfReach(group, providers);
  if (unreachable.length === 0) return group;
  const line = yaml.lineAt(['network']);
  throw refusal(describeProblems(file, [{ line, what: howToAllow(group, unreachable) }]));
}

function refusal(problems: string): BerthError {
  return new BerthError('E_GROUP_CONFIG', problems);
}

/** Hosts that the group's provider cannot work without, and that its `network` does not lead to. */
function hostsOutOfReach(
  { agent, runner, network, env }: Group,
  providers: Readonly<Record<string, ProviderFacts>>,
): string[] {
  // A runner of the group's own does not run our provider.
  if (network === 'internet' || runner) return [];
  const allow = network === 'none' ? [] : network.allow;
  const { hosts, worksElsewhere } = providers[agent.provider] ?? { hosts: [] };
  if (worksElsewhere?.({ agent, env })) return [];
  return hosts.filter((host) => !isAllowed(allow, { host, port: 443 }));
}

function howToAllow({ agent, network }: Group, hosts: string[]): string {
  const all = [...(typeof network === 'object' ? network.allow : []), ...hosts];
  const listed = all.map((host) => (host.startsWith('*') ? JSON.stringify(host) : host)).join(', ');
  return `network does not lead to ${hosts.join(', ')}, which the provider ${agent.provider} needs; write: network: { allow: [${listed}] }`;
}

function toGroup(
  file: GroupFile,
  providers: Readonly<Record<string, ProviderFacts>>,
  { folder, timezone }: ParseContext,
): Group {
  const { agent, limits, idle, network, credentials, ...same } = file;
  const provider = providerOf(agent);
  const facts = providers[provider];
  const hosts = facts?.hosts ?? [];
  return {
    ...same,
    // A group's own runner is its own affair.
    image: facts && !file.runner ? withProviderPackages(file.image, facts) : file.image,
    folder,
    agent: { ...agent, provider },
    limits: limitsOf(limits),
    idle: idle === 'off' ? { freezeMs: null, stopMs: null } : { freezeMs: idle.freeze, stopMs: idle.stop },
    network: network ?? (hosts.length > 0 ? { allow: [...hosts] } : 'none'),
    credentials,
    /** Of the host only when somebody asks: the first question to Intl takes longer than all else here. */
    get timezone() {
      return file.timezone ?? timezone ?? hostTimeZone();
    },
  };
}

function limitsOf({ memory, cpus, pids, turn, disk }: GroupFile['limits']): Group['limits'] {
  return { memoryBytes: memory, cpus, pids, turnMs: turn, diskBytes: disk };
}

/** As the system has it. The first question to Intl takes 40 ms: it is for what is set otherwise. */
function hostTimeZone(): string {
  if (process.env.TZ === undefined) {
    const name = /\/zoneinfo\/(?!posix\/|right\/)(.+)$/.exec(linkedTo('/etc/localtime'))?.[1];
    if (name) return name === 'Etc/UTC' ? 'UTC' : name; // as Intl says it
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

function linkedTo(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
