import { MOST_ATTEMPTS } from '../../contract/retries.ts';
import type { HealthPeriods } from '../config.ts';
import { inWords } from '../duration.ts';
import type { AwaitedImage } from '../groups/awaited-image.ts';
import type { SessionRow } from '../ledger/ledger-reads.ts';
import type { ToldRow, UndeliveredRow, WaitingRow } from '../ledger/why-reads.ts';
import type { Health } from './judge-health.ts';
import { ago, beingMade, firstLine, when } from './wait-words.ts';

/** All that is known about somebody who waits in a session: rows, and what a running host sees of its container. */
export interface WhyFacts {
  now: number;
  row: SessionRow;
  waiting: WaitingRow[];
  undelivered: UndeliveredRow[];
  told: ToldRow | undefined;
  /** `null`: no host runs. */
  host: {
    periods: HealthPeriods;
    /** What is wrong with the group or the engine, in words; `null`: nothing. */
    trouble: string | null;
    /** Its place in the line of those that wait for a free container; `null`: it does not wait for one. */
    place: number | null;
    /** What has to be made before its group has an image to start from; `null`: nothing. */
    image: AwaitedImage | null;
    /** Of a session that is awake. */
    live: {
      processing: readonly string[];
      health: Health | undefined;
      turnLimitMs: number;
      outdated: boolean;
    } | null;
  } | null;
  /** The newest crash report. */
  crash: { path: string; at: string; words: string; times: number } | undefined;
}

/** Where the oldest message that waits stands. */
type Stage =
  | 'nothing-waits'
  | 'no-host'
  | 'failed'
  | 'retry'
  | 'packages'
  | 'base-image'
  | 'line'
  | 'asleep'
  | 'waking'
  | 'in-container'
  | 'turn'
  | 'stopping'
  | 'frozen'
  | 'delivery';

/** The answer to "why is there no reply?". */
export interface Why {
  session: string;
  group: string;
  state: string;
  stage: Stage;
  /** Since when it stands there, Unix milliseconds; `null`: nobody waits. */
  since: number | null;
  /** Where it stands, in words. */
  words: string;
  waiting: { id: string; attempt: number; since: number; dueAt: number; told: boolean }[];
  tried: string[];
  next: string;
  crashReport: string | null;
}

interface Standing {
  stage: Stage;
  since: number;
  words: string;
  next: string;
}

/** Explains from rows where a session's oldest message stands, what was tried, and what comes next. Pure. */
export function explainWait(facts: WhyFacts): Why {
  const { row, waiting, crash } = facts;
  const oldest = waiting.find(({ wake }) => wake === 1);
  const standing = oldest ? whereItStands(facts, oldest) : delivery(facts);
  return {
    session: row.id,
    group: row.group,
    state: row.state,
    stage: standing?.stage ?? 'nothing-waits',
    since: standing?.since ?? null,
    words: standing?.words ?? 'nobody waits for a reply in this session',
    waiting: waiting.map(({ id, attempt, createdAt, dueAt, toldAt }) => {
      return { id, attempt, since: createdAt, dueAt, told: toldAt !== null };
    }),
    tried: whatWasTried(facts, oldest),
    next: standing?.next ?? 'the next message is answered',
    crashReport: crash?.path ?? null,
  };
}

function whereItStands(facts: WhyFacts, oldest: WaitingRow): Standing {
  const { row, host, now } = facts;
  const stage = (name: Stage, since: number, words: string, next: string): Standing => ({
    stage: name,
    since,
    words: host?.trouble ? `${words}; besides: ${host.trouble}` : words,
    next,
  });
  const { createdAt } = oldest;
  if (!host)
    return stage('no-host', createdAt, 'the message is kept, but no host runs', 'start it with `npm start`');
  if (row.state === 'failed') {
    const next = `tried again by itself ${when(row.retryAt ?? now, now)}, at once by \`berth retry ${row.id}\``;
    return stage(
      'failed',
      row.since,
      `the session has failed: ${row.errorCode}: ${firstLine(row.errorReason)}`,
      next,
    );
  }
  if (oldest.dueAt > now)
    return stage(
      'retry',
      oldest.createdAt,
      `attempt ${oldest.attempt - 1} failed; attempt ${oldest.attempt} of ${MOST_ATTEMPTS} waits for its time`,
      `tried again ${when(oldest.dueAt, now)}`,
    );
  if (host.image !== null)
    return stage(
      'base' in host.image ? 'base-image' : 'packages',
      oldest.createdAt,
      `${beingMade(host.image)}, which takes some minutes the first time`,
      'its container is started then, or whoever waits is told why it is not',
    );
  if (host.place !== null)
    return stage(
      'line',
      oldest.createdAt,
      `no container is free: it is number ${host.place} in the line (BERTH_MAX_AWAKE)`,
      'its container is started when one of the others has nothing to do',
    );
  switch (row.state) {
    case 'asleep':
      return stage(
        'asleep',
        oldest.createdAt,
        'the session has no container',
        'the host is about to start one',
      );
    case 'waking':
      return stage(
        'waking',
        row.since,
        'its container is being started',
        'the runner takes the message up, or the start fails and whoever waits is told',
      );
    case 'stopping':
      return stage(
        'stopping',
        row.since,
        'its container is being stopped',
        'a new one is started when it is gone',
      );
    case 'freezing':
    case 'frozen':
      return stage('frozen', row.since, 'its container is frozen', 'the host is about to thaw it');
    default:
      return inContainer(facts, oldest, stage);
  }
}

function inContainer(
  { host, now, row }: WhyFacts,
  oldest: WaitingRow,
  stage: (name: Stage, since: number, words: string, next: string) => Standing,
): Standing {
  const live = host?.live;
  const outdated = live?.outdated
    ? ' (by a container that is no longer what the group declares: it is replaced after this turn)'
    : '';
  if (!host || !live?.processing.includes(oldest.id)) {
    const busy = live && live.processing.length > 0;
    const words = busy
      ? 'another turn of this session runs before it'
      : 'the message lies in the container, and its runner has not taken it up';
    const wait = host ? inWords(host.periods.silenceMs) : '';
    const next = busy
      ? 'its turn comes after that one'
      : `a runner that takes nothing up is started anew after ${wait}`;
    return stage('in-container', oldest.createdAt, `${words}${outdated}`, next);
  }
  const turnMs = Math.max(0, ...(live.health?.claimAges.values() ?? []));
  return stage('turn', now - turnMs, `the agent works on it${outdated}`, afterTurn(live, host.periods, row));
}

function afterTurn(
  { health, turnLimitMs }: { health: Health | undefined; turnLimitMs: number },
  { silenceMs, nudgeMs, abortMs }: HealthPeriods,
  row: SessionRow,
): string {
  const limit = `it may take ${inWords(turnLimitMs)} (limits.turn)`;
  if (!health) return limit;
  const silent = `no sign of life for ${inWords(health.activityAge)}`;
  if (health.abortedAge !== null)
    return `it was aborted (${silent}); its container is started anew in ${inWords(Math.max(0, abortMs - health.abortedAge))}`;
  if (health.nudgedAge !== null)
    return `it was nudged (${silent}) and is aborted in ${inWords(Math.max(0, nudgeMs - health.nudgedAge))}`;
  const quiet =
    health.seen.quietMs > 0 ? `, which is normal for a tool of ${inWords(health.seen.quietMs)}` : '';
  return `${limit}; ${silent}${quiet}, and after ${inWords(silenceMs)} of that it is nudged; see \`berth logs ${row.id}\``;
}

/** What the container has said is in the ledger, but not in the chat. */
function delivery({ undelivered, now, host, row }: WhyFacts): Standing | undefined {
  const [first] = undelivered;
  if (!first) return undefined;
  const more = undelivered.length > 1 ? ` (and ${undelivered.length - 1} after it)` : '';
  const why = first.error === null ? '' : `; the platform said: ${firstLine(first.error)}`;
  const words = `the reply of ${row.id} is there, ${deliveryWords(first)}${more}${why}`;
  const next = host ? afterSend(first, now) : 'start the host with `npm start`';
  return { stage: 'delivery', since: Math.min(first.createdAt, now), words, next };
}

function deliveryWords({ status, attempts }: UndeliveredRow): string {
  if (status === 'uncertain') return 'and nobody knows whether it was delivered';
  if (status === 'dead') return 'and could not be delivered';
  return attempts > 0 ? `and could not be delivered ${attempts} times` : 'and is being delivered';
}

function afterSend({ status, dueAt }: UndeliveredRow, now: number): string {
  if (status === 'uncertain' || status === 'dead')
    return 'it is not sent again by itself: `berth outbox resend` or `berth outbox drop`';
  return dueAt === null ? 'it is sent now' : `it is sent again ${when(dueAt, now)}; see \`berth outbox\``;
}

function whatWasTried({ row, told, crash, now }: WhyFacts, oldest: WaitingRow | undefined): string[] {
  const tried: string[] = [];
  if (oldest && oldest.attempt > 1) tried.push(`${oldest.attempt - 1} of ${MOST_ATTEMPTS} attempts`);
  if (row.failures > 0) tried.push(`${row.failures} times it failed, one after the other`);
  if (row.errorCode !== null && row.state !== 'failed')
    tried.push(
      `its last error, ${ago(row.errorAt ?? now, now)}: ${row.errorCode}: ${firstLine(row.errorReason)}`,
    );
  if (crash)
    tried.push(
      `a container died ${ago(Date.parse(crash.at), now)}: ${crash.words} (${crash.times} of them lately)`,
    );
  if (told)
    tried.push(`its people were told ${ago(told.createdAt, now)}: ${told.code}: ${firstLine(told.reason)}`);
  return tried;
}
