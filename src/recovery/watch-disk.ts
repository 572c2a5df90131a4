import { join } from 'node:path';
import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';
import { type DiskUse, diskUse, diskUses } from '../mailbox/disk-use.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { Release } from '../release-stack.ts';
import type { Bury } from './bury-session.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Pick<Clock, 'monotonic'>;
  log: Logger;
  groupsDir: string;
  bury: Bury;
  onFatal(error: Error): void;
}

const TICK_MS = 500;
/** Bounds of the pause between two looks at the same session, in milliseconds. */
const PAUSE_MS = { least: 2_000, most: 60_000 };
/** What a container is taken to write at most, in bytes a millisecond: how soon the room that is left may be used up. */
const FASTEST = 200_000;
/** After a look of some length nothing is looked at for so many times that. */
const REST = 10;
/** How long a look may take, in milliseconds: at one that writes on, at several, and before a container is started. */
const WITHIN_MS = { awake: 300_000, together: 10_000, waking: 30_000 };
/** With one session so many are looked at that are due within so many milliseconds. */
const TOGETHER = { most: 32, withinMs: 15_000 };

const DISK_ADVICE =
  'Until files are removed there, the limit is raised, or the chat is deleted, no container is started for it';

/**
 * Looks now and then at what awake sessions have on the disk, the sooner again the nearer one is to its limit, and with one that is due
 * at those that soon will be. The container of one that is past it is ended. A frozen one writes nothing and is not looked at.
 */
export function watchDisk(deps: Dependencies): Release {
  const dueAt = new WeakMap<AwakeSession, number>();
  /** Of a look at several that did not come to its end: each is looked at by itself once. */
  const alone = new WeakSet<AwakeSession>();
  const released = new AbortController();
  let looking = false;
  let restUntil = 0;
  const timer = setInterval(() => void look().catch(deps.onFatal), TICK_MS);
  return () => {
    clearInterval(timer);
    released.abort();
  };

  async function look(): Promise<void> {
    const began = deps.clock.monotonic();
    if (looking || began < restUntil) return;
    const sessions = nextOnes(began);
    if (sessions.length === 0) return;
    looking = true;
    try {
      const uses = await usesOf(sessions);
      const ended = deps.clock.monotonic();
      restUntil = ended + REST * (ended - began);
      for (const [index, session] of sessions.entries()) {
        const use = uses[index];
        const unknown = alone.has(session) ? 0 : PAUSE_MS.most;
        dueAt.set(session, ended + (use ? pauseFor(use.left) : unknown));
        if (use?.over !== undefined) await end(session, use.over);
      }
    } finally {
      looking = false;
    }
  }

  /** The one that is due for longest, with others. A session that has just begun has its first look after the least pause. */
  function nextOnes(now: number): AwakeSession[] {
    const awake = deps.awake.all().filter(isAwake);
    for (const session of awake) if (!dueAt.has(session)) dueAt.set(session, now + PAUSE_MS.least);
    const due = (session: AwakeSession) => dueAt.get(session) ?? now;
    const [first, ...others] = awake.toSorted((one, other) => due(one) - due(other));
    if (!first || due(first) > now) return [];
    if (alone.delete(first)) return [first];
    const soon = others.filter((session) => !alone.has(session) && due(session) <= now + TOGETHER.withinMs);
    return [first, ...soon.slice(0, TOGETHER.most - 1)];
  }

  /** In the same order; `undefined`: nobody knows, which is said. */
  async function usesOf(sessions: readonly AwakeSession[]): Promise<(DiskUse | undefined)[]> {
    const { signal } = released;
    const [first, ...others] = sessions.map(({ folders, group }) => {
      const workspace = join(deps.groupsDir, group.folder, 'workspace');
      return { folders, workspace, limitBytes: group.limits.diskBytes };
    });
    if (!first) return [];
    try {
      if (others.length === 0) return [await diskUse({ ...first, withinMs: WITHIN_MS.awake, signal })];
      const uses = await diskUses([first, ...others], WITHIN_MS.together, signal);
      if (uses) return uses;
    } catch (error) {
      const ids = sessions.map(({ id }) => id);
      if (!signal.aborted)
        deps.log.warn({ err: error, sessions: ids }, 'what sessions have on the disk could not be measured');
      return [];
    }
    for (const session of sessions) alone.add(session);
    return [];
  }

  async function end(session: AwakeSession, over: string): Promise<void> {
    if (!isAwake(session) || deps.awake.get(session.id) !== session) return;
    const death = { class: 'disk' as const, words: over, exitCode: null, signal: null, oomKilled: false };
    const told = { code: 'E_DISK_LIMIT' as const, reason: `${over}. ${DISK_ADVICE}` };
    await deps.bury(session, death, { alive: true, over: new Set(session.processing), told });
  }
}

/** Before a container is started for a session that was past its limit. @throws E_DISK_LIMIT when it still is. */
export async function checkRoom(groupsDir: string, group: Group, folders: SessionFolders): Promise<void> {
  const workspace = join(groupsDir, group.folder, 'workspace');
  const { over } = await diskUse({
    ...{ folders, workspace },
    limitBytes: group.limits.diskBytes,
    withinMs: WITHIN_MS.waking,
  });
  if (over !== undefined) throw new BerthError('E_DISK_LIMIT', `${over}. ${DISK_ADVICE}`);
}

function isAwake({ state, freezing }: AwakeSession): boolean {
  return state === 'awake' && !freezing;
}

function pauseFor(left: number): number {
  return Math.min(Math.max(left / FASTEST, PAUSE_MS.least), PAUSE_MS.most);
}
