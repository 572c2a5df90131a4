import { type AwakeSession, type AwakeSessions, isWorking } from '../awake/awake-session.ts';
import type { Clock } from '../clock.ts';
import type { LedgerReads } from '../ledger/ledger-reads.ts';
import type { Logger } from '../log.ts';
import { lineUp, type Waiting } from './line-up.ts';
import { isToBeTold, type Told } from './tell-place.ts';
import { whoYields } from './who-yields.ts';

interface Dependencies {
  awake: AwakeSessions;
  clock: Clock;
  reads: Pick<LedgerReads, 'isDue'>;
  log: Logger;
  /** How many containers may live at once. */
  most(): number;
  /** Stops the session's container unless it has something to do after all; resolves when either is clear. */
  stop(session: AwakeSession): Promise<void>;
  /** Says something to whoever waits for that session. */
  tell(session: string, text: string): void;
}

/** For people: how many containers there are, may be, and are waited for. */
export interface Places {
  taken: number;
  most: number;
  waiting: number;
}

export interface Admission {
  /** Resolves with true when the session may have a container, with false when it is not to have one any more. */
  enter(session: string, group: string): Promise<boolean>;
  /** The wake of a session that was admitted has come to its end, whatever it was. */
  settled(session: string): void;
  /** The session is to wait no longer. */
  leave(session: string): void;
  /** Place in the line from 1; `null`: the session does not wait. */
  placeOf(session: string): number | null;
  places(): Places;
  /** Something changed that may let somebody in. Costs nothing while nobody waits. */
  look(): void;
  /** Lets nobody in any more. */
  close(): void;
}

interface InLine extends Waiting {
  since: number;
  told: Told | null;
  resolve(admitted: boolean): void;
}

/** Beneath the changes that are told: how often is looked whether somebody can be let in, in milliseconds. */
const LOOK_MS = 250;

/**
 * Sees to it that no more containers live than may. When all places are taken, idle containers yield; where none is idle,
 * the wake waits in a line that is fair between groups.
 */
export function createAdmission(deps: Dependencies): Admission {
  const waiting: InLine[] = [];
  /** Let in, and not yet (or no longer) among the awake ones. */
  const admitted = new Set<string>();
  /** Sessions whose containers are being stopped for others. */
  const yielding = new Set<string>();
  const servedAt = new Map<string, number>();
  let served = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    if (waiting.length === 0) return;
    letIn();
    makeRoom();
    clearInterval(timer);
    timer = waiting.length > 0 ? setInterval(tick, LOOK_MS) : undefined;
  }

  function tick(): void {
    look();
    tellPlaces();
  }

  function letIn(): void {
    for (let free = deps.most() - taken(); free > 0 && waiting.length > 0; free--) {
      const [next] = lineUp(waiting, servedAt);
      if (!next) return;
      servedAt.set(next.group, ++served);
      admitted.add(next.session);
      remove(next, true);
    }
  }

  /** As many as are too many with those who wait, less those who are on their way out. */
  function makeRoom(): void {
    const all = deps.awake.all();
    const leaving = all.filter(({ id, state }) => state === 'stopping' || yielding.has(id)).length;
    const holders = all
      .filter(({ id }) => !yielding.has(id))
      .map((session) => ({
        session: session.id,
        state: session.state,
        // One that waits for the time of a retry yields: it is woken again when that has come.
        working: isWorking(session, deps.clock.now(), deps.reads.isDue),
        activeAt: session.activeAt,
      }));
    for (const id of whoYields(holders, taken() - leaving + waiting.length - deps.most())) {
      const session = deps.awake.get(id);
      if (session) void yieldPlace(session);
    }
  }

  /** Refused when a message came first; then the timer looks for another. */
  async function yieldPlace(session: AwakeSession): Promise<void> {
    yielding.add(session.id);
    try {
      await deps.stop(session);
    } finally {
      yielding.delete(session.id);
    }
  }

  function tellPlaces(): void {
    const now = deps.clock.monotonic();
    for (const [index, one] of lineUp(waiting, servedAt).entries()) {
      const place = index + 1;
      if (!isToBeTold(one, place, now)) continue;
      one.told = { place, at: now };
      deps.log.info({ session: one.session, place, waiting: waiting.length }, 'waits for a container');
      deps.tell(one.session, `waiting for a free container: place ${place} of ${waiting.length} in the line`);
    }
  }

  function taken(): number {
    const starting = [...admitted].filter((id) => !deps.awake.get(id)).length;
    return deps.awake.all().length + starting;
  }

  function remove(one: InLine, isAdmitted: boolean): void {
    waiting.splice(waiting.indexOf(one), 1);
    one.resolve(isAdmitted);
  }

  return {
    enter(session, group) {
      if (closed) return Promise.resolve(false);
      return new Promise((resolve) => {
        waiting.push({ session, group, since: deps.clock.monotonic(), told: null, resolve });
        look();
      });
    },
    settled(session) {
      admitted.delete(session);
      look();
    },
    leave(session) {
      for (const one of waiting.filter((other) => other.session === session)) remove(one, false);
    },
    placeOf(session) {
      if (waiting.length === 0) return null;
      const index = lineUp(waiting, servedAt).findIndex((one) => one.session === session);
      return index < 0 ? null : index + 1;
    },
    places: () => ({ taken: taken(), most: deps.most(), waiting: waiting.length }),
    look,
    close() {
      closed = true;
      clearInterval(timer);
      for (const one of [...waiting]) remove(one, false);
    },
  };
}
