import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';
import { type DiskUse, diskUse, diskUses, uncounted } from '../mailbox/disk-use.ts';
import type { SessionFolders } from '../mailbox/session-folders.ts';
import type { Release } from '../release-stack.ts';
import type { Bury } from './bury-session.ts';
import { fillsUp, hundredthsFree, type LookStanding, nextAlone, nextTogether } from './disk-order.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Pick<Clock, 'monotonic'>;
  log: Logger;
  dataDir: string;
  groupsDir: string;
  bury: Bury;
  onFatal(error: Error): void;
}

const TICK_MS = 500;
/** Bounds of the pause between two looks at the same session, in milliseconds. */
const PAUSE_MS = { least: 2_000, most: 60_000 };
/** What a container is taken to write at most, in bytes a millisecond: how soon the room that is left may be used up. */
const FASTEST = 200_000;
/** After a look of some length there is a rest of so many times that: after one at several for all of them, after one at a slow one for it. */
const REST = 10;
/** How long a look may take, in milliseconds: at several, at a slow one, and before a container is started. */
const WITHIN_MS = { together: 3_000, alone: 60_000, waking: 30_000 };

const DISK_ADVICE =
  'Until files are removed there, the limit is raised, or the chat is deleted, no container is started for it';

/**
 * Looks now and then at what awake sessions have on the disk, the sooner again the nearer one is to its limit, and with one that is due
 * at those that soon will be. Beside that, one at a time, at those whose folders take long to count: they keep nobody else waiting.
 * The container of one that is past its limit is ended. A frozen one writes nothing and is not looked at.
 */
export function watchDisk(deps: Dependencies): Release {
  const known = new WeakMap<AwakeSession, LookStanding>();
  const released = new AbortController();
  const busy = { together: false, alone: false, room: false };
  const free = new Map<string, number>();
  let restUntil = 0;
  const timer = setInterval(() => {
    void hasten();
    void lookTogether().catch(deps.onFatal);
    void lookAlone().catch(deps.onFatal);
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    released.abort();
  };

  /** A session that has just begun has its first look after the least pause. */
  function standings(now: number): Map<AwakeSession, LookStanding> {
    const awake = deps.awake.all().filter(isAwake);
    return new Map(
      awake.map((session) => {
        const standing = known.get(session) ?? { dueAt: now + PAUSE_MS.least, tookMs: 0, alone: false };
        known.set(session, standing);
        return [session, standing];
      }),
    );
  }

  async function lookTogether(): Promise<void> {
    const began = deps.clock.monotonic();
    if (busy.together || began < restUntil) return;
    const all = standings(began);
    const sessions = nextTogether(all, began);
    if (sessions.length === 0) return;
    busy.together = true;
    const uses = await usesOf(sessions, WITHIN_MS.together);
    const ended = deps.clock.monotonic();
    busy.together = false;
    if (uses) restUntil = ended + REST * (ended - began);
    for (const [index, session] of sessions.entries()) {
      const { tookMs } = all.get(session) ?? { tookMs: 0 };
      if (uses) settle(session, uses[index], ended, tookMs || (ended - began) / sessions.length);
      else known.set(session, late(sessions.length, ended, tookMs));
    }
  }

  /** Of a look that was not over in time: by itself it is the slow one, among others it may be any. */
  function late(looked: number, now: number, tookMs: number): LookStanding {
    if (looked === 1) return { dueAt: now, tookMs: WITHIN_MS.together, alone: false };
    return { dueAt: now, tookMs, alone: true };
  }

  async function lookAlone(): Promise<void> {
    const began = deps.clock.monotonic();
    const session = busy.alone ? undefined : nextAlone(standings(began), began);
    if (!session) return;
    busy.alone = true;
    const uses = await usesOf([session], WITHIN_MS.alone);
    const ended = deps.clock.monotonic();
    busy.alone = false;
    const use = uses ? uses[0] : uncounted(questionOf(session), WITHIN_MS.alone);
    settle(session, use, ended, ended - began, REST * (ended - began));
  }

  /** @param use `undefined`: nobody knows. */
  function settle(
    session: AwakeSession,
    use: DiskUse | undefined,
    now: number,
    tookMs: number,
    restMs = 0,
  ): void {
    const pause = use ? pauseFor(use.left) : PAUSE_MS.most;
    known.set(session, { dueAt: now + Math.max(pause, restMs), tookMs, alone: false });
    // Its end may wait for the engine, and the others are not to be unwatched so long.
    if (use?.over !== undefined) void end(session, use.over).catch(deps.onFatal);
  }

  /** In the same order; `undefined`: it took too long. What could not be measured is said. */
  async function usesOf(
    sessions: readonly AwakeSession[],
    withinMs: number,
  ): Promise<(DiskUse | undefined)[] | undefined> {
    const { signal } = released;
    try {
      return await diskUses(sessions.map(questionOf), withinMs, signal);
    } catch (error) {
      const ids = sessions.map(({ id }) => id);
      if (!signal.aborted)
        deps.log.warn({ err: error, sessions: ids }, 'what sessions have on the disk could not be measured');
      return [];
    }
  }

  function questionOf({ folders, group }: AwakeSession) {
    const workspace = join(deps.groupsDir, group.folder, 'workspace');
    return { folders, workspace, limitBytes: group.limits.diskBytes };
  }

  /** Where a disk runs full, everybody on it is due at once. */
  async function hasten(): Promise<void> {
    if (busy.room) return;
    busy.room = true;
    try {
      for (const folder of [deps.dataDir, deps.groupsDir]) {
        const now = hundredthsFree(await statfs(folder));
        if (fillsUp(free.get(folder), now)) hurry();
        free.set(folder, now);
      }
    } catch {
      // The looks go on without it.
    } finally {
      busy.room = false;
    }
  }

  function hurry(): void {
    const now = deps.clock.monotonic();
    restUntil = now;
    for (const [session, standing] of standings(now)) known.set(session, { ...standing, dueAt: now });
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
