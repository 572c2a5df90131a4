import { join } from 'node:path';
import { z } from 'zod';
import { RUNTIME_NAME } from '../setting-forms.ts';
import { optionIssues } from './provider-options.ts';
import {
  choice,
  duration,
  durationOrOff,
  flag,
  list,
  mapping,
  number,
  plainText,
  size,
  text,
  words,
} from './shape-pieces.ts';

/** What the shape of a `group.yaml` depends on beside the file. */
export interface ShapeContext {
  providers: readonly string[];
  /** What `~` stands for in `mounts`. */
  home: string;
}

/**
 * The shape of a `group.yaml`, defaults included. The message of each issue says what is allowed; that of
 * `unrecognized_keys` is the list of the known keys, joined by commas.
 */
export function groupShape({ providers, home }: ShapeContext) {
  const fields = {
    name: text(100),
    admin: flag().default(false),
    agent: agent(providers).prefault({}),
    mcp: mcp().default({}),
    runner: words().optional(),
    image: image().prefault({}),
    runtime: runtime().optional(),
    limits: limits().prefault({}),
    idle: idle().prefault({}),
    network: network().optional(),
    mounts: mounts(home).default([]),
    env: environment().default({}),
    credentials: credentials().default('none'),
    session: choice(['per-chat', 'per-thread', 'shared']).default('per-chat'),
    timezone: timeZone().optional(),
  };
  const shape = mapping(fields).check(({ value, issues }) => {
    // A group's own runner gets its options as they are.
    if (value.runner) return;
    for (const issue of optionIssues(providerOf(value.agent), value.agent.options))
      issues.push({
        ...issue,
        path: ['agent', 'options', ...issue.path],
        input: value.agent.options,
      } as z.core.$ZodRawIssue);
  });
  return shape.refine(
    ({ env, credentials }) => !handedKeys(credentials).some((name) => Object.hasOwn(env, name)),
    {
      path: ['credentials', 'env'],
      error: 'names that `env` does not set as well',
    },
  );
}

/** What a `group.yaml` says, checked. */
export type GroupFile = z.output<ReturnType<typeof groupShape>>;

/** The provider that is meant where none is named. */
export function providerOf(agent: { provider?: string | undefined; command?: unknown }): string {
  return agent.provider ?? (agent.command ? 'command' : 'echo');
}

function agent(providers: readonly string[]) {
  const fields = {
    provider: choice(providers).optional(),
    command: words().optional(),
    model: text(200).optional(),
    options: z.record(z.string(), z.unknown(), 'a mapping').default({}),
  };
  return mapping(fields).refine(({ provider, command }) => provider !== 'command' || command !== undefined, {
    path: ['command'],
    error: 'a list of texts, the program first; provider `command` needs it',
  });
}

/** Further servers of tools; `berth` is the session's own. */
function mcp() {
  const allowed = 'a name of a-z, 0-9, `_`, `-`, a letter first, at most 32, not `berth`';
  const name = z.string(allowed).regex(/^(?!berth$)[a-z][a-z0-9_-]{0,31}$/, allowed);
  const word = plainText('a text (put quotes round numbers, true and false)');
  const server = mapping({
    command: word.min(1, 'the program'),
    args: list(word, 'a list of texts').default([]),
    env: environment().default({}),
  });
  return z
    .record(name, server, {
      error: (issue) => (issue.code === 'invalid_key' ? allowed : 'a mapping of names to servers'),
    })
    .refine((all) => Object.keys(all).length <= 20, 'at most 20 servers');
}

function image() {
  // Their grammar is judged where images are made.
  const packages = () => list(text(300), 'a list of package names').default([]);
  return mapping({ apt: packages(), npm: packages(), scripts: packages() });
}

function runtime() {
  const allowed = 'the name of a runtime, such as `runsc`';
  return z.string(allowed).regex(RUNTIME_NAME, allowed);
}

/** `limits.disk` where a `group.yaml` does not say it. */
export const USUAL_DISK = '10g';

function limits() {
  const whole = (value: number) => Number.isInteger(value) && value >= 16 && value <= 4_194_304;
  return mapping({
    memory: size('64m', '64t').prefault('2g'),
    cpus: number('a number from 0.01 to 512', (value) => value >= 0.01 && value <= 512).default(1),
    pids: number('a whole number from 16 to 4194304', whole).default(512),
    turn: duration('1s').prefault('30m'),
    disk: size('16m', '64t').prefault(USUAL_DISK),
  });
}

function idle() {
  const periods = mapping({ freeze: durationOrOff().prefault('1m'), stop: durationOrOff().prefault('30m') });
  return z.union([z.literal('off'), periods], '`off`, or a mapping with the keys freeze, stop');
}

function network() {
  const listed = mapping({ allow: list(host(), 'a list of hosts', 1) });
  return z.union(
    [z.enum(['none', 'internet']), listed],
    '`none`, `internet`, or a mapping with the key allow',
  );
}

function host() {
  const allowed = 'a host such as api.example.com, `*.example.com` or api.example.com:443';
  const pattern = /^(\*\.)?([a-z0-9_][a-z0-9_-]{0,62}\.)*[a-z0-9][a-z0-9-]{0,62}(:[1-9]\d{0,4})?$/;
  return z.string(allowed).toLowerCase().max(260, allowed).regex(pattern, allowed);
}

function mounts(home: string) {
  const allowed = 'an absolute path, or one that begins with `~/`, without `..`';
  const path = plainText(allowed)
    .regex(/^(\/|~\/|~$)/, allowed)
    .refine((value) => !value.split('/').includes('..'), allowed)
    .transform((value) => (value.startsWith('~') ? join(home, value.slice(1)) : value));
  const name = z
    .string('a text')
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'a name of a-z, 0-9, `.`, `_`, `-`, at most 63');
  const mount = mapping({ host: path, name, readonly: flag().default(true) });
  const distinct = (all: { name: string }[]) => new Set(all.map((one) => one.name)).size === all.length;
  return list(mount, 'a list of mappings with the keys host, name, readonly').refine(
    distinct,
    'mounts of different names',
  );
}

const variableForm = 'a name of letters, digits and `_`, not HOME, PATH, TZ, ONECLI_API_KEY or BERTH_…';

/** Names that the host sets itself, or whose values are the host's own, are no group's to set. */
function variableName() {
  return z
    .string(variableForm)
    .regex(/^(?!(HOME|PATH|TZ|ONECLI_API_KEY)$|BERTH_)[A-Za-z_][A-Za-z0-9_]{0,199}$/, variableForm);
}

function environment() {
  const value = plainText('a text (put quotes round numbers, true and false)');
  return z.record(variableName(), value, {
    error: (issue) => (issue.code === 'invalid_key' ? variableForm : 'a mapping of names to texts'),
  });
}

function credentials() {
  const wanted = z.literal('onecli').transform(() => ({ onecli: 'wanted' as const }));
  const required = mapping({ onecli: choice(['required']) });
  const handed = mapping({ env: list(variableName(), 'a list of names of variables', 1) });
  return z.union(
    [z.literal('none'), wanted, required, handed],
    '`none`, `onecli`, `{onecli: required}`, `{env: [NAME]}`',
  );
}

function handedKeys(given: z.output<ReturnType<typeof credentials>>): string[] {
  return typeof given === 'object' && 'env' in given ? given.env : [];
}

/** The name as `TZ` wants it: an IANA name, its letters in the case of the database. */
function timeZone() {
  const allowed = 'an IANA time zone such as Europe/Berlin or UTC';
  return z.string(allowed).transform((name, context) => {
    const known = knownTimeZone(name);
    if (known === undefined) context.addIssue({ code: 'custom', message: allowed });
    return known ?? z.NEVER;
  });
}

function knownTimeZone(name: string): string | undefined {
  if (!/^[A-Za-z]/.test(name)) return undefined; // Intl takes offsets such as +01:00 as well
  try {
    const { timeZone: known } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    return known.toLowerCase() === name.toLowerCase() ? known : name;
  } catch {
    return undefined;
  }
}
