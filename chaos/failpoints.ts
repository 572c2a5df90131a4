import type { CommandName } from '../src/writer/commands.ts';

/**
 * What makes a host pass a failpoint: the traffic itself, its start, or an act that the run performs after it has armed
 * the failpoint. A text in `not` says why a run does not aim at it.
 */
export type Provocation =
  | 'traffic'
  | 'start'
  | 'stop'
  | 'crash'
  | 'pause'
  | 'stall'
  | 'image'
  | 'send-fails'
  | 'fresh-group'
  | 'delete-chat'
  | 'vanish'
  | 'retry'
  | 'resend'
  | 'drop';
/** With `before` the host passes it before the thing alone, and never after it. */
type Reach = Provocation | { before?: Provocation; not: string };

const builds = { not: "images of groups: the run's engine has no way out to build one" };

const approvals = { not: 'no group of a run uses a credentials gateway' };

/** Every kind of commit; the compiler sees to it that none is missing. */
const commits: Record<CommandName, Reach> = {
  accept: 'traffic',
  collect: 'traffic',
  beginWake: 'traffic',
  change: 'traffic',
  sleep: 'traffic',
  beginStop: 'traffic',
  beginFreeze: 'traffic',
  beginPause: 'traffic',
  paused: 'traffic',
  markSent: 'traffic',
  putDue: 'crash',
  afterCrash: 'crash',
  recordError: 'crash',
  recordTrouble: 'crash',
  failWake: 'image',
  foundPaused: 'pause',
  endFreeze: 'stall',
  beginSend: 'send-fails',
  failSend: 'send-fails',
  putBack: { not: 'only when the host stops between a decision to send and the call' },
  forceStop: 'stop',
  standing: 'vanish',
  adopt: 'start',
  attach: 'start',
  recover: 'start',
  installId: 'start',
  heedClock: 'start',
  groupSlot: 'fresh-group',
  deleteChat: 'delete-chat',
  resend: 'resend',
  drop: 'drop',
  tellWaiting: { not: 'only for a session that has failed before' },
  retryNow: 'retry',
  control: { not: 'only for a container that is adopted, hangs, or works when the host stops' },
  describe: { not: 'only where the image of a group with packages vanishes between two calls' },
  fireSchedule: { not: 'the agents of a run plan nothing' },
  cancelSchedules: { not: 'the agents of a run plan nothing' },
  noteApproval: approvals,
  decideApproval: approvals,
  expireApproval: approvals,
  prune: { not: 'only for what is older than days' },
  recordBuild: builds,
  recordFailedBuild: builds,
  useImage: builds,
  forgetImages: builds,
};

/** Every kind of call to the engine; a test compares them with the sources. */
export const engineCalls: Record<string, Reach> = {
  'creating container': 'traffic',
  'starting container': 'traffic',
  'pausing container': 'traffic',
  'unpausing container': 'traffic',
  'stopping container': 'traffic',
  'removing container': 'traffic',
  'inspecting container': 'crash',
  // With each container that is removed: whether it had one, the engine knows.
  'removing network': { before: 'traffic', not: 'the groups of a run have no network' },
  'listing networks that nobody uses': 'start',
  'making network': { not: 'the groups of a run have no network' },
  'inspecting network': { not: 'the groups of a run have no network' },
  'reading the log of container': 'crash',
  'listing containers': 'start',
  'following events': 'start',
  'asking for the version': 'start',
  'asking for the runtimes': { not: 'only where a runtime is set' },
  'asking for its state': { not: 'only for `berth doctor`' },
  'looking for image': { not: 'only for groups with packages' },
  'waiting for the removal of container': { not: 'only while somebody else removes the same container' },
  'following the log of container': { not: 'only for `berth logs -f`' },
  'naming image': builds,
  'listing images': builds,
  'removing images without a name': builds,
  'asking for the disk use of images': builds,
  'removing image': builds,
  pulling: builds,
  importing: builds,
  building: builds,
};

const reaches: [string, Reach][] = [
  ...Object.entries(commits).map(([name, reach]): [string, Reach] => [`commit ${name}`, reach]),
  ...Object.entries(engineCalls).map(([name, reach]): [string, Reach] => [`engine ${name}`, reach]),
  ['inbound write', 'traffic'],
];

/** The failpoints that a run aims at, by name, and what has the host pass them. */
export const FAILPOINTS: ReadonlyMap<string, Provocation> = new Map(
  reaches.flatMap(([name, reach]) => {
    if (typeof reach === 'string')
      return ['before', 'after'].map((side) => [fileName(side, name), reach] as const);
    return reach.before ? [[fileName('before', name), reach.before] as const] : [];
  }),
);

/** Those that it does not aim at, and why. */
export const NOT_AIMED_AT: ReadonlyMap<string, string> = new Map(
  reaches.flatMap(([name, reach]) => {
    if (typeof reach === 'string') return [];
    return [[reach.before ? `after ${name}` : name, reach.not] as const];
  }),
);

function fileName(side: string, name: string): string {
  return `${side} ${name}`.replaceAll(' ', '-');
}
