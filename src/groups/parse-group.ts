import { homedir } from 'node:os';
import type { z } from 'zod';
import { BerthError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Group } from './group.ts';
import { type GroupFile, groupShape } from './group-shape.ts';
import { pathName, valueAt, type YamlPath } from './place-in-yaml.ts';
import { type ProviderFacts, providers as shippedProviders } from './providers.ts';
import { type Problem, readYaml } from './read-yaml.ts';

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
  if ('problems' in yaml) throw refusal(file, yaml.problems);
  const shape = groupShape({ providers: Object.keys(providers), home, timezone });
  const { success, data, error } = shape.safeParse(yaml.value);
  if (success) return toGroup(folder, data, providers);
  const problems = error.issues.flatMap((issue) => problemsOf(issue, yaml.value));
  throw refusal(
    file,
    problems.map(({ path, text: what }) => ({
      line: yaml.lineAt(path),
      what: `${pathName(path)} ${what}`.trim(),
    })),
  );
}

/** A file that is no YAML at all has a problem at every word. */
const mostProblems = 20;

function refusal(file: string, problems: Problem[]): BerthError {
  const sorted = problems
    .toSorted((one, other) => one.line - other.line)
    .map(({ line, what }) => `${file}:${line}: ${what}`);
  if (sorted.length > mostProblems)
    sorted.splice(mostProblems, Infinity, `and ${problems.length - mostProblems} more`);
  return new BerthError('E_GROUP_CONFIG', sorted.join('; '));
}

interface PlacedText {
  path: YamlPath;
  text: string;
}

function problemsOf(issue: z.core.$ZodIssue, value: unknown): PlacedText[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(', ');
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      text: `is not a known key ${hint(key, known)}`,
    }));
  }
  const meant = issue.code === 'invalid_union' ? meantForm(issue.errors) : undefined;
  if (meant)
    return meant.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, value));
  const found = valueAt(value, issue.path);
  const is = issue.code === 'invalid_key' ? 'is no name that can be set' : shown(found);
  return [
    {
      path: issue.path,
      text: `${issue.path.length === 0 ? `the file ${is}` : is}; allowed: ${issue.message}`,
    },
  ];
}

/**
 * Of the forms that a value may have, the one that its author meant: the one with the fewest problems, all of them inside
 * the value. None when two forms are equally near.
 */
function meantForm(forms: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const inside = ({ path, code }: z.core.$ZodIssue) =>
    path.length > 0 || (code !== 'invalid_type' && code !== 'invalid_value');
  const [first, second] = forms
    .filter((issues) => issues.every(inside))
    .toSorted((one, other) => one.length - other.length);
  return first && first.length === second?.length ? undefined : first;
}

function hint(key: string, known: string[]): string {
  const meant = nearest(key, known);
  return meant ? `(did you mean ${meant}?)` : `(known: ${known.join(', ')})`;
}

function shown(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  const text = JSON.stringify(value);
  return `is ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`;
}

function toGroup(folder: string, file: GroupFile, providers: Readonly<Record<string, ProviderFacts>>): Group {
  const { agent, limits, idle, network, credentials, ...same } = file;
  const provider = agent.provider ?? (agent.command ? 'command' : 'echo');
  const hosts = providers[provider]?.hosts ?? [];
  return {
    ...same,
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
