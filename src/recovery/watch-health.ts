import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { HealthPeriods } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Writer } from '../writer/writer.ts';
import type { Bury } from './bury-session.ts';
import { abortWords, nudgeWords, restartWords } from './health-words.ts';
import { afterDoing, type Health, judge, observe, type Seen, type Verdict } from './judge-health.ts';

interface Dependencies {
  awake: AwakeSessions;
  writer: Writer;
  clock: Clock;
  log: Logger;
  health: HealthPeriods;
  bury: Bury;
  onFatal(error: Error): void;
}

/** Bounds of the period between two looks, in milliseconds: each look is a `stat` for each awake session. */
const LOOK_MS = { least: 50, most: 5000 };

export interface HealthWatch {
  /** What the last look knew of a session's health, for people; `undefined`: it was not awake then. */
  of(session: AwakeSession): Health | undefined;
  release(): void;
}

/**
 * Looks at all awake sessions now and then: one timer for all. A runner without a heartbeat is started anew; a turn without a
 * sign of life is nudged, then aborted, then its container is started anew; no turn outlasts its limit.
 */
export function watchHealth(deps: Dependencies): HealthWatch {
  const { heartbeatMs, silenceMs, nudgeMs, abortMs } = deps.health;
  const shortest = Math.min(heartbeatMs, silenceMs, nudgeMs, abortMs);
  const periodMs = Math.min(Math.max(shortest / 5, LOOK_MS.least), LOOK_MS.most);
  const known = new WeakMap<AwakeSession, Health>();
  let lookedAt = deps.clock.monotonic();
  let looking = false;

  const timer = setInterval(() => void look().catch(deps.onFatal), periodMs);
  return { of: (session) => known.get(session), release: () => clearInterval(timer) };

  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    const now = deps.clock.monotonic();
    const elapsedMs = Math.min(now - lookedAt, 2 * periodMs);
    lookedAt = now;
    try {
      await Promise.all(deps.awake.all().map((session) => lookAt(session, elapsedMs)));
    } finally {
      looking = false;
    }
  }

  async function lookAt(session: AwakeSession, elapsedMs: number): Promise<void> {
    // Of one that freezes or stops nothing is expected; its ages count anew from the thaw.
    if (session.state !== 'awake' || session.freezing) {
      known.delete(session);
      return;
    }
    const seen = { ...seenOf(session, deps.clock.now()), beat: beatOf(session.folders.out) };
    const health = observe(known.get(session), seen, elapsedMs);
    const verdict = judge(health, deps.health, session.group.limits.turnMs);
    known.set(session, afterDoing(health, verdict));
    await act(session, verdict);
  }

  async function act(session: AwakeSession, verdict: Verdict): Promise<void> {
    if (verdict.do === 'nothing') return;
    const messages = verdict.messages.map(messageOf);
    if (verdict.do === 'restart') {
      const words = restartWords(verdict.cause, deps.health, session.group.limits.turnMs);
      const death = { class: 'hung' as const, words, exitCode: null, signal: null, oomKilled: false };
      // Its end may wait for the engine, and the others are not to be unwatched so long.
      void deps.bury(session, death, { alive: true, over: new Set(messages) }).catch(deps.onFatal);
      return;
    }
    const text = verdict.do === 'nudge' ? nudgeWords(deps.health) : abortWords(deps.health);
    deps.log.warn({ session: session.id, messages }, `a turn shows no sign of life: ${verdict.do}`);
    const body = { message_id: messages.at(-1), text };
    const step = { session: session.id, epoch: session.epoch, now: deps.clock.now() };
    await deps.writer.run('control', { ...step, verb: verdict.do, body });
  }
}

function seenOf(session: AwakeSession, now: number): Omit<Seen, 'beat'> {
  const { activityAt, toolUntil } = session.life;
  const open = [...session.open.values()];
  const claimed = open
    .filter(({ id }) => session.processing.has(id))
    .map(({ id, attempt }) => `${attempt} ${id}`);
  // What waits behind a retry is not due either, whatever its own time says.
  const retries = open.some(({ dueAt }) => dueAt > now);
  return {
    activity: activityAt,
    quietMs: activityAt !== null && toolUntil !== null ? toolUntil - activityAt : 0,
    claimed,
    unclaimed: claimed.length === 0 && !retries && open.some(({ wake }) => wake),
  };
}

function messageOf(claim: string): string {
  return claim.slice(claim.indexOf(' ') + 1);
}

/** The link itself is looked at and not what it may lead to; a time that cannot be had is a heart that does not beat. */
function beatOf(out: string): string | null {
  try {
    const { mtimeNs, ctimeNs, ino } = lstatSync(join(out, 'heartbeat'), { bigint: true });
    return `${ino} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return null;
  }
}
