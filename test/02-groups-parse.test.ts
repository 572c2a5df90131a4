import { describe, expect, test } from 'vitest';
import { providerNames } from '../agent-runner/src/providers/registry.ts';
import { parseGroup } from '../src/groups/parse-group.ts';
import { providers } from '../src/groups/providers.ts';

const context = { folder: 'demo', file: 'demo/group.yaml', home: '/home/me', timezone: 'UTC' };

/** The problems that the text is refused with, one a line; fails when it is accepted. */
function problems(text: string): string[] {
  try {
    parseGroup(text, context);
  } catch (error) {
    expect(error).toMatchObject({ code: 'E_GROUP_CONFIG', status: 409 });
    return (error as Error).message
      .split('; demo/')
      .map((part, index) => (index > 0 ? `demo/${part}` : part));
  }
  throw new Error('it was accepted');
}

test('the host allows the providers that the runner has', () => {
  expect(Object.keys(providers).sort()).toEqual([...providerNames].sort());
});

describe('what is allowed', () => {
  test('a name is enough', () => {
    expect(parseGroup('name: Demo', context)).toEqual({
      folder: 'demo',
      name: 'Demo',
      admin: false,
      agent: { provider: 'echo', options: {} },
      mcp: {},
      image: { apt: [], npm: [], scripts: [] },
      limits: {
        memoryBytes: 2 * 1024 ** 3,
        cpus: 1,
        pids: 512,
        turnMs: 1_800_000,
        diskBytes: 10 * 1024 ** 3,
      },
      idle: { freezeMs: 60_000, stopMs: 1_800_000 },
      network: 'none',
      mounts: [],
      env: {},
      credentials: 'none',
      session: 'per-chat',
      timezone: 'UTC',
    });
  });

  test('every key', () => {
    const text = `
name: Demo
admin: true
agent:
  provider: command
  command: [node, /group/bot.mjs]
  model: large
  options: { batch: 5, deep: { a: [1, null] } }
mcp: { tickets: { command: node, args: [/group/t.mjs], env: { QUEUE: a } }, files: { command: files } }
runner: [python3, /group/runner.py]
image: { apt: [jq, "curl=7.88*"], npm: ["cowsay@1.6.0"], scripts: [cowsay] }
limits: { memory: 64m, cpus: 0.5, pids: 16, turn: 1s, disk: 16m }
idle: { freeze: off, stop: 0s }
network: { allow: [api.anthropic.com, "*.Debian.org", "example.com:8443"] }
mounts: [{ host: ~/notes, name: notes, readonly: false }, { host: /srv/x, name: x }]
env: { FAVOURITE: blue, EMPTY: "" }
credentials: { env: [ANTHROPIC_API_KEY] }
session: per-thread
timezone: europe/berlin
`;
    expect(parseGroup(text, context)).toEqual({
      folder: 'demo',
      name: 'Demo',
      admin: true,
      agent: {
        provider: 'command',
        command: ['node', '/group/bot.mjs'],
        model: 'large',
        options: { batch: 5, deep: { a: [1, null] } },
      },
      mcp: {
        tickets: { command: 'node', args: ['/group/t.mjs'], env: { QUEUE: 'a' } },
        files: { command: 'files', args: [], env: {} },
      },
      runner: ['python3', '/group/runner.py'],
      image: { apt: ['jq', 'curl=7.88*'], npm: ['cowsay@1.6.0'], scripts: ['cowsay'] },
      limits: { memoryBytes: 64 * 1024 ** 2, cpus: 0.5, pids: 16, turnMs: 1000, diskBytes: 16 * 1024 ** 2 },
      idle: { freezeMs: null, stopMs: 0 },
      network: { allow: ['api.anthropic.com', '*.debian.org', 'example.com:8443'] },
      mounts: [
        { host: '/home/me/notes', name: 'notes', readonly: false },
        { host: '/srv/x', name: 'x', readonly: true },
      ],
      env: { FAVOURITE: 'blue', EMPTY: '' },
      credentials: { env: ['ANTHROPIC_API_KEY'] },
      session: 'per-thread',
      timezone: 'Europe/Berlin',
    });
  });

  test.each([
    ['idle: off', { idle: { freezeMs: null, stopMs: null } }],
    ['idle: { stop: 1h }', { idle: { freezeMs: 60_000, stopMs: 3_600_000 } }],
    ['network: internet', { network: 'internet' }],
    ['agent: { provider: claude }', { network: { allow: ['api.anthropic.com'] } }],
    ['agent: { provider: opencode }', { network: { allow: ['api.anthropic.com'] } }],
    ['agent: { provider: claude }\nnetwork: internet', { network: 'internet' }],
    [
      'agent: { provider: claude }\nnetwork: { allow: ["*.anthropic.com"] }',
      { network: { allow: ['*.anthropic.com'] } },
    ],
    ['agent: { provider: claude }\nnetwork: none\nrunner: [sh]', { network: 'none' }],
    [
      'agent: { provider: claude }\nnetwork: none\nenv: { ANTHROPIC_BASE_URL: "http://a" }',
      { network: 'none' },
    ],
    ['agent: { provider: opencode, model: openai/x }\nnetwork: none', { network: 'none' }],
    ['agent: { command: [sh] }', { agent: { provider: 'command', command: ['sh'], options: {} } }],
    ['credentials: onecli', { credentials: { onecli: 'wanted' } }],
    ['credentials: { onecli: required }', { credentials: { onecli: 'required' } }],
    [
      'limits: { memory: 1073741824 }',
      {
        limits: { memoryBytes: 1024 ** 3, cpus: 1, pids: 512, turnMs: 1_800_000, diskBytes: 10 * 1024 ** 3 },
      },
    ],
    ['timezone: Asia/Kolkata', { timezone: 'Asia/Kolkata' }],
    ['agent: { command: &c [sh] }\nrunner: *c', { runner: ['sh'] }],
  ])('%s', (text, expected) => expect(parseGroup(`name: Demo\n${text}`, context)).toMatchObject(expected));

  test.each([
    ['network: none', 'write: network: { allow: [api.anthropic.com] }'],
    [
      'network: { allow: [a.example, "*.b.example"] }',
      'write: network: { allow: [a.example, "*.b.example", api.anthropic.com] }',
    ],
    [
      'network: { allow: ["api.anthropic.com:80"] }',
      'write: network: { allow: [api.anthropic.com:80, api.anthropic.com] }',
    ],
  ])('a provider that cannot work with %s says what to write', (network, line) => {
    const text = `name: Demo\nagent: { provider: claude }\n${network}`;
    expect(() => parseGroup(text, context)).toThrow(
      `group.yaml:3: network does not lead to api.anthropic.com, which the provider claude needs; ${line}`,
    );
  });

  test('the providers are those that are passed', () => {
    const providers = { mine: { hosts: ['api.example.com'] } };
    const group = parseGroup('name: A\nagent: { provider: mine }', { ...context, providers });
    expect(group.network).toEqual({ allow: ['api.example.com'] });
    expect(() => parseGroup('name: A\nagent: { provider: claude }', { ...context, providers })).toThrow(
      'allowed: `mine`',
    );
  });
});

/** Second line and what follows of a file whose first is `name: Demo`; the line, the key, words of the problem. */
// biome-ignore format: one problem a line is what makes this a table
const wrong: [string, number, string, string][] = [
  ['admin: yes', 2, 'admin', 'is "yes"; allowed: `true`, `false`'],
  ['\n\nadmin: 1', 4, 'admin', 'is 1; allowed'],
  ['nmae: x', 2, 'nmae', 'is not a known key (did you mean name?)'],
  ['xylophone: x', 2, 'xylophone', 'is not a known key (known: name, admin, agent'],
  ['agent: echo', 2, 'agent', 'is "echo"; allowed: a mapping with the keys provider, command, model, options'],
  ['agent:', 2, 'agent', 'is empty; allowed: a mapping'],
  ['agent:\n  provider: cluade', 3, 'agent.provider', 'is "cluade"; allowed: `echo`, `command`, `claude`, `opencode`'],
  ['agent:\n  modle: x', 3, 'agent.modle', 'did you mean model?'],
  ['agent:\n  provider: command', 2, 'agent.command', 'is missing; allowed: a list of texts, the program first; provider `command` needs it'],
  ['agent:\n  command: node bot.mjs', 3, 'agent.command', 'is "node bot.mjs"; allowed: a list of texts'],
  ['agent:\n  command: []', 3, 'agent.command', 'is []; allowed: at least 1'],
  ['agent:\n  command: [""]', 3, 'agent.command', 'is [""]; allowed: a list of texts, the program first'],
  ['agent:\n  command:\n    - node\n    - 7', 5, 'agent.command[1]', 'is 7; allowed: a text (put quotes round numbers'],
  ['agent:\n  command: ["a\\0b"]', 3, 'agent.command[0]', 'allowed: a text without NUL'],
  ['agent:\n  command: [sh]\n  options: { mode: server }', 4, 'agent.options.mode', 'is "server"; allowed: `once`, `serve`'],
  ['agent:\n  command: [sh]\n  options:\n    bach: 2', 5, 'agent.options.bach', 'is not a known key (did you mean batch?)'],
  ['agent:\n  command: [sh]\n  options: { batch: 0 }', 4, 'agent.options.batch', 'is 0; allowed: a whole number from 1 to 500'],
  ['agent:\n  command: [sh]\n  options: { followUps: true }', 4, 'agent.options.followUps', 'is not a known key'],
  ['agent:\n  command: [sh]\n  options: { mode: serve, followUps: 1 }', 4, 'agent.options.followUps', 'is 1; allowed: `true`, `false`'],
  ['agent: { options: 3 }', 2, 'agent.options', 'is 3; allowed: a mapping'],
  ['agent: { model: "a\\nb" }', 2, 'agent.model', 'is "a\\nb"; allowed: a text of 1 to 200 characters on one line'],
  ['runner: python3', 2, 'runner', 'is "python3"; allowed: a list of texts'],
  ['image: { apt: jq }', 2, 'image.apt', 'is "jq"; allowed: a list of package names'],
  ['image: { pip: [x] }', 2, 'image.pip', 'is not a known key'],
  ['image:\n  npm:\n    - 1', 4, 'image.npm[0]', 'is 1; allowed: a text'],
  [`image: { apt: [${'a, '.repeat(1001)}] }`, 2, 'image.apt', 'allowed: at most 1000'],
  ['limits:\n  memory: 63m', 3, 'limits.memory', 'is "63m"; allowed: a size such as 512k, 25m, 25MiB, 2g, from 64m to 64t'],
  ['limits:\n  memory: lots', 3, 'limits.memory', 'is "lots"'],
  ['limits:\n  memory: [1]', 3, 'limits.memory', 'is [1]; allowed: a size'],
  ['limits:\n  cpus: 0', 3, 'limits.cpus', 'is 0; allowed: a number from 0.01 to 512'],
  ['limits:\n  cpus: .nan', 3, 'limits.cpus', 'allowed: a number'],
  ['limits:\n  cpus: "1"', 3, 'limits.cpus', 'is "1"; allowed: a number'],
  ['limits:\n  pids: 15', 3, 'limits.pids', 'is 15; allowed: a whole number from 16'],
  ['limits:\n  pids: 16.5', 3, 'limits.pids', 'is 16.5'],
  ['limits:\n  turn: 999ms', 3, 'limits.turn', 'is "999ms"; allowed: a duration such as 500ms, 30s, 5m, 1h, from 1s to 24d'],
  ['limits:\n  turn: 30', 3, 'limits.turn', 'is 30; allowed: a duration'],
  ['idle: never', 2, 'idle', 'is "never"; allowed: `off`, or a mapping with the keys freeze, stop'],
  ['idle:\n  freeze: 60', 3, 'idle.freeze', 'is 60; allowed: `off`, or a duration'],
  ['idle:\n  stop: 25d', 3, 'idle.stop', 'is "25d"; allowed: `off`, or a duration such as 500ms, 30s, 5m, 1h, at most 24d'],
  ['idle:\n  frezee: 1m', 3, 'idle.frezee', 'did you mean freeze?'],
  ['network: host', 2, 'network', 'is "host"; allowed: `none`, `internet`, or a mapping with the key allow'],
  ['network: {}', 2, 'network.allow', 'is missing; allowed: a list of hosts'],
  ['network: { allow: [] }', 2, 'network.allow', 'is []; allowed: at least 1'],
  ['network:\n  allow:\n    - ok.org\n    - https://x.org', 5, 'network.allow[1]', 'is "https://x.org"; allowed: a host such as'],
  ['network: { allow: ["*"] }', 2, 'network.allow[0]', 'is "*"'],
  ['network: { allow: ["a.*.org"] }', 2, 'network.allow[0]', 'is "a.*.org"'],
  ['mounts: { host: /x, name: x }', 2, 'mounts', 'allowed: a list of mappings with the keys host, name, readonly'],
  ['mounts:\n  - name: x', 3, 'mounts[0].host', 'is missing; allowed: an absolute path'],
  ['mounts:\n  - host: notes\n    name: x', 3, 'mounts[0].host', 'is "notes"; allowed: an absolute path'],
  ['mounts:\n  - host: /a/../b\n    name: x', 3, 'mounts[0].host', 'without `..`'],
  ['mounts:\n  - host: ~me/b\n    name: x', 3, 'mounts[0].host', 'is "~me/b"'],
  ['mounts:\n  - host: /a\n    name: ../x', 4, 'mounts[0].name', 'is "../x"; allowed: a name of a-z'],
  ['mounts:\n  - host: /a\n    name: x\n    readonly: no', 5, 'mounts[0].readonly', 'is "no"; allowed: `true`, `false`'],
  ['mounts:\n  - { host: /a, name: x }\n  - { host: /b, name: x }', 2, 'mounts', 'allowed: mounts of different names'],
  ['mcp: [x]', 2, 'mcp', 'is ["x"]; allowed: a mapping of names to servers'],
  ['mcp:\n  berth: { command: x }', 3, 'mcp.berth', 'allowed: a name of a-z, 0-9, `_`, `-`, a letter first, at most 32, not `berth`'],
  ['mcp:\n  x: { command: "" }', 3, 'mcp.x.command', 'allowed: the program'],
  ['mcp:\n  x: { command: x, env: { HOME: / } }', 3, 'mcp.x.env.HOME', 'is no name that can be set'],
  ['env: [A=b]', 2, 'env', 'is ["A=b"]; allowed: a mapping of names to texts'],
  ['env:\n  PORT: 8080', 3, 'env.PORT', 'is 8080; allowed: a text (put quotes round numbers'],
  ['env:\n  1A: x', 3, 'env.1A', 'is no name that can be set; allowed: a name of letters'],
  ['env:\n  HOME: /', 3, 'env.HOME', 'is no name that can be set; allowed'],
  ['env:\n  PATH: /', 3, 'env.PATH', 'is no name that can be set'],
  ['env:\n  TZ: UTC', 3, 'env.TZ', 'is no name that can be set'],
  ['env:\n  BERTH_SESSION: x', 3, 'env.BERTH_SESSION', 'is no name that can be set'],
  ['credentials: all', 2, 'credentials', 'is "all"; allowed: `none`, `onecli`, `{onecli: required}`, `{env: [NAME]}`'],
  ['credentials: {}', 2, 'credentials', 'is {}; allowed: `none`'],
  ['credentials: { onecli: yes }', 2, 'credentials.onecli', 'is "yes"; allowed: `required`'],
  ['credentials: { env: KEY }', 2, 'credentials.env', 'is "KEY"; allowed: a list of names of variables'],
  ['credentials: { env: [] }', 2, 'credentials.env', 'is []; allowed: at least 1'],
  ['credentials: { env: [BERTH_HTTP_TOKEN] }', 2, 'credentials.env[0]', 'is "BERTH_HTTP_TOKEN"; allowed: a name'],
  ['credentials: { env: [A] }\nenv: { A: b }', 2, 'credentials.env', 'is ["A"]; allowed: names that `env` does not set as well'],
  ['session: chat', 2, 'session', 'is "chat"; allowed: `per-chat`, `per-thread`, `shared`'],
  ['timezone: Mars/Olympus', 2, 'timezone', 'is "Mars/Olympus"; allowed: an IANA time zone'],
  ['timezone: "+01:00"', 2, 'timezone', 'is "+01:00"; allowed: an IANA time zone'],
  ['timezone: 3', 2, 'timezone', 'is 3; allowed: an IANA time zone'],
  ['timezone: ""', 2, 'timezone', 'is ""; allowed: an IANA time zone'],
  ['name: Again', 2, 'name', 'is there twice'],
  ['limits: { cpus: 1,\n  cpus: 2 }', 3, 'cpus', 'is there twice'],
  ['agent: { provider: echo', 2, 'no valid YAML:', ''],
  ['\tadmin: true', 2, 'no valid YAML:', ''],
  ['admin: *x', 2, 'no valid YAML:', 'there is no anchor x'],
  ['agent: &a\n  options: { x: *a }', 3, 'no valid YAML:', '*a contains itself'],
  ['admin: !yes true', 2, 'no valid YAML:', 'Unresolved tag'],
  ['---\nname: B', 2, 'a second document begins;', 'allowed: one'],
];

describe('what is refused', () => {
  test.each(wrong)('%s', (text, line, key, words) => {
    const found = problems(`name: Demo\n${text}`);
    expect(found[0]).toMatch(/^demo\/group\.yaml:\d+: /);
    expect(found[0]?.startsWith(`demo/group.yaml:${line}: ${key} `), found[0]).toBe(true);
    expect(found[0]).toContain(words);
    expect(key.startsWith('no valid') ? 1 : found.length).toBe(1);
  });

  test.each([
    ['', 'demo/group.yaml:1: the file is empty; allowed: a mapping with the keys name,'],
    ['hello', 'demo/group.yaml:1: the file is "hello"; allowed: a mapping'],
    ['- a', 'demo/group.yaml:1: the file is ["a"]; allowed: a mapping'],
    ['admin: true', 'demo/group.yaml:1: name is missing; allowed: a text of 1 to 100 characters'],
    ['name: 7', 'demo/group.yaml:1: name is 7; allowed: a text'],
    ['name: ""', 'demo/group.yaml:1: name is ""; allowed: a text'],
    [`name: ${'x'.repeat(101)}`, 'demo/group.yaml:1: name is "xxx'],
  ])('a file of %j', (text, words) => expect(problems(text)[0]).toContain(words));

  test('all problems stand in one message, by line', () => {
    const found = problems(
      'limits: { memory: x,\n  cpus: 0 }\nfoo: 1\nname: A\nagent:\n  provider: y\n  modle: z\n',
    );
    expect(found.map((problem) => /:(\d+): (\S+)/.exec(problem)?.slice(1))).toEqual([
      ['1', 'limits.memory'],
      ['2', 'limits.cpus'],
      ['3', 'foo'],
      ['6', 'agent.provider'],
      ['7', 'agent.modle'],
    ]);
  });

  test('a mapping of other keys has two problems: the unknown key and the missing one', () => {
    expect(problems('name: A\nnetwork: { deny: [x.org] }').map((problem) => problem.split(' ')[1])).toEqual([
      'network.allow',
      'network.deny',
    ]);
  });

  test('the line is right behind comments, anchors and long texts', () => {
    const text = '# a\n\nname: >\n  long\n  text\nagent: &a\n  # b\n  options: {}\n\n  modle: x\nimage: *a\n';
    const found = problems(text);
    expect(found.some((problem) => problem.startsWith('demo/group.yaml:10: agent.modle'))).toBe(true);
    expect(found.some((problem) => problem.startsWith('demo/group.yaml:10: image.modle'))).toBe(true);
  });

  test('a file that attacks the reader is refused, briefly', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let letter = 0; letter < 9; letter++)
      bomb.push(`b${letter}: &b${letter} [${`*${letter ? `b${letter - 1}` : 'a'}, `.repeat(10)}]`);
    expect(problems(bomb.join('\n'))[0]).toContain('no valid YAML: Excessive alias count');
    const deep = problems('['.repeat(20_000));
    expect(deep[0]).toContain('no valid YAML');
    expect(deep.length).toBeLessThan(25);
    expect(deep.join().length).toBeLessThan(5000);
  });
});
