import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { AwakeSession, AwakeSessions, CollectableSession } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { NothingToRead } from '../mailbox/open-outbound.ts';
import { OutboundInvalid } from '../mailbox/outbound-invalid.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Clock;
  collect(session: AwakeSession): Promise<unknown>;
  /** The session's next container is to be started, whether a message waits or not. */
  wake(session: string): void;
  onInvalid(session: CollectableSession, error: OutboundInvalid): void;
}

interface Unread {
  /** Monotonic milliseconds. */
  since: number;
  heartbeat: number;
}

/** No commit takes so long; in milliseconds. */
const LIMIT_MS = 10_000;
const AGAIN_MS = 100;

/**
 * Sessions whose `outbound.db` could not be read. A lock is waited for, and one that a living runner does not give back is
 * against the contract, and so is a file that a working runner takes away. A journal that a dead container left is rolled back
 * by the next runner, never by the host: it is a reason to wake.
 */
export function createUnreadWatch(deps: Dependencies) {
  const unread = new WeakMap<CollectableSession, Unread>();
  const appointed = new WeakSet<CollectableSession>();

  return {
    onUnread(session: CollectableSession, why: NothingToRead): void {
      const live = liveOne(session);
      if (!live || live.state === 'stopping') {
        if (why === 'hot-journal') deps.wake(session.id);
      } else if (why === 'absent') {
        if (live.state !== 'waking')
          deps.onInvalid(session, new OutboundInvalid('outbound.db, or a table in it, is gone'));
      } else {
        waitForLock(live);
      }
    },

    onRead: (session: CollectableSession): void => void unread.delete(session),
  };

  function waitForLock(session: AwakeSession): void {
    const now = deps.clock.monotonic();
    const known = unread.get(session);
    if (!known) unread.set(session, { since: now, heartbeat: heartbeatOf(session) });
    // One that is paused or hangs in the middle of a commit is not to blame; its health is watched elsewhere.
    if (known && now - known.since >= LIMIT_MS && heartbeatOf(session) !== known.heartbeat) {
      deps.onInvalid(session, new OutboundInvalid(`outbound.db has been locked for ${LIMIT_MS / 1000} s`));
      return;
    }
    lookAgain(session);
  }

  function lookAgain(session: CollectableSession): void {
    if (appointed.has(session)) return;
    appointed.add(session);
    setTimeout(() => {
      appointed.delete(session);
      const live = liveOne(session);
      if (live && live.state !== 'stopping') void deps.collect(live);
    }, AGAIN_MS).unref();
  }

  /** Of a session that is over, only the rows count: its successor may have the same id. */
  function liveOne(session: CollectableSession): AwakeSession | undefined {
    const live = deps.awake.get(session.id);
    return live === session ? live : undefined;
  }
}

function heartbeatOf(session: AwakeSession): number {
  return lstatSync(join(session.folders.out, 'heartbeat'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
