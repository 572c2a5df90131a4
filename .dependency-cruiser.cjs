// The import directions of this repository. CONTRIBUTING.md draws them; `npm run rules` checks them.
//
// Type-only imports count like any other (tsPreCompilationDeps): a file that needs another's types knows
// about it. Erasing types only takes imports away, so a graph without a cycle here has none at run time.

const stages = [
  'inbound',
  'wake',
  'delivery',
  'idle',
  'recovery',
  'images',
  'requests',
  'schedules',
  'approvals',
];
const resources = ['ledger', 'mailbox', 'engines', 'groups', 'channels', 'credentials', 'network'];
/** Each serves all stages and stands on several resources: the one writing thread, and who is awake. */
const halls = ['writer', 'awake'];
const anyOf = (names) => `(?:${names.join('|')})`;

/** From the top of the house to its ground: a layer may import what stands below it, never above. */
const layers = [
  { name: 'main', path: '^src/(?:berth\\.js|main\\.ts)$' },
  { name: 'demo', path: '^src/demo\\.ts$' },
  {
    name: 'daemon',
    path: '^src/(?:daemon|host|channel-host|open-records|test-channels|wire-credentials|wire-delivery|wire-idle|wire-images|wire-network|wire-recovery|wire-schedules)\\.ts$',
  },
  { name: 'operator', path: '^src/operator/' },
  { name: 'stage', path: `^src/${anyOf(stages)}/` },
  { name: 'hall', path: `^src/${anyOf(halls)}/` },
  { name: 'resource', path: `^src/${anyOf(resources)}/` },
  {
    name: 'base',
    path: '^src/(?!(?:main|demo|daemon|host|channel-host|open-records|test-channels|wire-credentials|wire-delivery|wire-idle|wire-images|wire-network|wire-recovery|wire-schedules)\\.ts$)[^/]+\\.ts$',
  },
  { name: 'contract', path: '^contract/' },
];

const downwardOnly = layers.slice(1).map(({ name, path }, index) => ({
  name: `${name}-imports-downward`,
  comment: `${name} stands below ${layers[index].name}: hand the value in as an argument instead.`,
  severity: 'error',
  from: { path },
  to: { path: layers.slice(0, index + 1).map((above) => above.path) },
}));

/** $1 is the folder that the importing file is in: within its own folder a room may import freely. */
const neighbours = (name, rooms, remedy) => ({
  name,
  comment: remedy,
  severity: 'error',
  from: { path: `^src/(${rooms.join('|')})/` },
  to: { path: `^src/${anyOf(rooms)}/`, pathNot: '^src/$1/' },
});

/** A module is named when it imports something and when something imports it; no-orphan sees the rest. */
const bothEnds = ({ name, comment, ...module }) => [
  { name, comment, severity: 'error', from: module, to: {} },
  { name: `${name}-imported`, comment, severity: 'error', from: {}, to: module },
];

const ours = '^(?:contract|src|agent-runner|contract-test|bench|chaos|test|scripts)/';
const knots = 'utils?|lib|types|interfaces|helpers?|common|managers?|services?';

module.exports = {
  forbidden: [
    ...downwardOnly,
    neighbours(
      'stage-imports-stage',
      stages,
      'Stages meet in daemon.ts, by arguments, and through rows; they do not know each other.',
    ),
    neighbours('hall-imports-hall', halls, 'The halls are told of each other by the stages.'),
    neighbours(
      'resource-imports-resource',
      resources,
      'A resource owns one thing outside the process; what needs two of them is a stage.',
    ),
    {
      name: 'host-imports-runner',
      comment: 'They run on two sides of a container wall and share contract/ alone.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^agent-runner/' },
    },
    {
      name: 'runner-imports-host',
      comment: 'They run on two sides of a container wall and share contract/ alone.',
      severity: 'error',
      from: { path: '^agent-runner/' },
      to: { path: '^src/' },
    },
    {
      name: 'contract-imports-ours',
      comment: 'contract/ is copied into every image: it takes npm packages and node: modules only.',
      severity: 'error',
      from: { path: '^contract/' },
      to: { pathNot: '^contract/', dependencyTypesNot: ['core', 'npm', 'npm-dev'] },
    },
    {
      name: 'shipped-imports-tooling',
      comment: 'What runs in production does not need what measures or tests it.',
      severity: 'error',
      from: { path: '^(?:contract|src|agent-runner)/' },
      to: { path: '^(?:contract-test|bench|chaos|test|scripts)/' },
    },
    {
      name: 'checker-imports-host',
      comment:
        'What judges a run shares no code with what it judges: read the files by SQL, the history as it is.',
      severity: 'error',
      from: { path: '^chaos/check/' },
      to: { path: '^(?:contract|src|agent-runner)/', reachable: true },
    },
    {
      name: 'shipped-imports-dev-dependency',
      comment: 'It would be missing after npm ci --omit=dev.',
      severity: 'error',
      from: { path: '^(?:contract|src|agent-runner)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'imports-node-http',
      comment:
        'In src/ take it from src/node-http.ts, in the runner by process.getBuiltinModule: it spares each start 50 ms.',
      severity: 'error',
      from: { path: '^(src|agent-runner|contract)/', pathNot: '^src/node-http\\.ts$' },
      to: { path: '^(?:node:)?https?$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'runner-imports-node-crypto',
      comment: 'By process.getBuiltinModule where it is wanted: most wakes do without, and are 10 ms sooner.',
      severity: 'error',
      from: { path: '^(agent-runner|contract)/' },
      to: { path: '^(?:node:)?crypto$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'runner-imports-what-few-wakes-want',
      comment: 'node:net takes 5 ms of each wake, node:fs/promises 2: take `promises` from node:fs.',
      severity: 'error',
      from: { path: '^(agent-runner|contract)/', pathNot: '^agent-runner/src/forward-way-out\\.ts$' },
      to: { path: '^(?:node:)?(?:net|fs/promises)$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'runner-imports-way-out-at-once',
      comment: 'It brings node:net along, and only a container with an allow-list wants it.',
      severity: 'error',
      from: { path: '^agent-runner/src/main\\.ts$' },
      to: { path: '^agent-runner/src/forward-way-out\\.ts$', dynamic: false },
    },
    {
      name: 'no-cycle',
      comment: 'Two files that need each other are one file, or miss a third that both may import.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphan',
      comment: 'Nothing imports it and it imports nothing.',
      severity: 'error',
      from: { orphan: true, path: '^src/' },
      to: {},
    },
    {
      name: 'not-to-unresolvable',
      comment: 'The imported file or package is not there.',
      severity: 'error',
      from: { path: ours },
      to: { couldNotResolve: true },
    },
    ...bothEnds({
      name: 'known-room',
      comment: 'A new folder in src/ is a stage, a hall or a resource: say which at the top of this file.',
      path: '^src/[^/]+/',
      pathNot: `^src/${anyOf([...stages, ...halls, ...resources, 'operator'])}/`,
    }),
    ...bothEnds({
      name: 'knot-name',
      comment:
        'utils, lib, types, helpers, manager … gather whatever has no home. Name it after what it does.',
      path: `[/-](?:${knots})[-./]`,
      pathNot: 'node_modules',
    }),
    ...bothEnds({
      name: 'no-barrel',
      comment: 'An index.ts hides who imports what. Import the file itself.',
      path: '/index\\.[cm]?[jt]s$',
      pathNot: 'node_modules',
    }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // The workspaces of agent groups are programs of their own; test/fixtures holds such programs too.
    exclude: { path: '^groups/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'require', 'types', 'default'],
      mainFields: ['main', 'types'],
    },
  },
};
