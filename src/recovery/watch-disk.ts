import { join } from 'node:path';
import type { AwakeSession, AwakeSessions } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { Group } from '../groups/group.ts';
import type { Logger } from '../log.ts';
import { type DiskUse, diskUse } from '../mailbox/disk-use.ts';
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
/** How long a look may take, in milliseconds: with a container that writes on, and before one is started. */
const WITHIN_MS = { awake: 300_000, waking: 30_000 };

const DISK_ADVICE =
  'Until files are removed there, the limit is raised, or the chat is deleted, no container is started for it';

/**
 * Looks now and then at what awake sessions have on the disk, one at a time, the sooner again the nearer one is to its limit. The
 * container of one that is past it is ended. A frozen one writes nothing and is not looked at.
 */
export function watchDisk(deps: Dependencies): Release {
  const dueAt = new WeakMap<AwakeSession, number>();
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
    const next = nextOne(began);
    if (!next) return;
    looking = true;
    try {
      const found = await use(next);
      const ended = deps.clock.monotonic();
      restUntil = ended + REST * (ended - began);
      dueAt.set(next, ended + (found ? pauseFor(found.left) : PAUSE_MS.most));
      if (found?.over !== undefined) await end(next, found.over);
    } finally {
      looking = false;
    }
  }

  /** The one that is due for longest. A session that has just begun has its first look after the least pause. */
  function nextOne(now: number): AwakeSession | undefined {
    const awake = deps.awake.all().filter(isAwake);
    for (const session of awake) if (!dueAt.has(session)) dueAt.set(session, now + PAUSE_MS.least);
    const due = (session: AwakeSession) => dueAt.get(session) ?? now;
    const [first] = awake.toSorted((one, other) => due(one) - due(other));
    return first && due(first) <= now ? first : undefined;
  }

  /** `undefined`: nobody knows, which is said. */
  async function use({ id, folders, group }: AwakeSession): Promise<DiskUse | undefined> {
    const workspace = join(deps.groupsDir, group.folder, 'workspace');
    const asked = { folders, workspace, limitBytes: group.limits.diskBytes, withinMs: WITHIN_MS.awake };
    try {
      return await diskUse({ ...asked, signal: released.signal });
    } catch (error) {
      if (!released.signal.aborted)
        deps.log.warn({ err: error, session: id }, 'what a session has on the disk could not be measured');
      return undefined;
    }
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
