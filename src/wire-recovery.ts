import type { AwakeSession, AwakeSessions, CollectableSession } from './awake/awake-session.ts';
import type { Clock } from './clock.ts';
import { crashRetryAt } from './delivery/claim-outcome.ts';
import type { Engine } from './engines/engine.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { OutboxRow } from './ledger/rows.ts';
import type { Logger } from './log.ts';
import { createFail } from './recovery/fail-session.ts';
import { createFreeLock } from './recovery/free-lock.ts';
import { createHeedPause } from './recovery/heed-pause.ts';
import { createNoteNoRoom } from './recovery/note-no-room.ts';
import { createQuarantine } from './recovery/quarantine.ts';
import { createReap } from './recovery/reap-container.ts';
import { createRevisits } from './recovery/revisit.ts';
import { watchClock } from './recovery/watch-clock.ts';
import { createUnreadWatch } from './recovery/watch-unread.ts';
import type { ReleaseStack } from './release-stack.ts';
import type { Writer } from './writer/writer.ts';

/** How soon a look is tried again that failed for a reason of the host's own, in milliseconds. */
const TROUBLE_AGAIN_MS = 1000;

interface Dependencies {
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
  releases: ReleaseStack;
  containerOf(session: string): string;
  wakes: { wake(session: string): Promise<void>; settled(session: string): Promise<void> };
  collect(session: CollectableSession): Promise<void>;
  stop(session: AwakeSession, reason: 'broken'): Promise<void>;
  thaw(session: AwakeSession): Promise<void>;
  deliver(events: OutboxRow[]): void;
  onFatal(error: Error): void;
}

/** What is done when something did not go as it should: starts that fail, containers that die, files that break the contract. */
export function wireRecovery(deps: Dependencies) {
  const { engine, awake, log, wakes, collect, onFatal, releases } = deps;
  const wake = (session: string) => void wakes.wake(session).catch(onFatal);
  const revisits = createRevisits({ ...deps, wake });
  releases.add('revisits', revisits.releaseAll);
  releases.add('clock watch', watchClock({ ...deps, onTurnedBack: revisits.turnBack }));
  const fail = createFail({ ...deps, onEvents: deps.deliver, onRetryAt: revisits.at });
  const reap = createReap({
    ...deps,
    settled: wakes.settled,
    crashRetryAt,
    onEvents: deps.deliver,
    onAsleep: resumeAt,
    onGivenUp: (session, error) => fail(session.id, session.epoch, error),
  });
  const heedPause = createHeedPause(deps);
  const { quarantine, cleared } = createQuarantine({
    ...deps,
    stopBroken: (session) => deps.stop(session, 'broken'),
    onEvents: deps.deliver,
  });
  const unread = createUnreadWatch({ ...deps, wake, onInvalid });
  releases.add(
    'engine events',
    engine.onExit(
      deps.install,
      (exit) => void reap(exit).catch(onFatal),
      (name) => void heedPause(name).catch(onFatal),
    ),
  );
  return {
    revisits,
    fail,
    freeLock: createFreeLock(deps),
    noteNoRoom: createNoteNoRoom(deps),
    cleared,
    ...unread,
    onInvalid,
    onTrouble,
  };

  function onInvalid(session: CollectableSession, error: unknown): void {
    const live = awake.get(session.id);
    if (live && live === session) quarantine(live, error);
    else log.error({ err: error, session: session.id }, 'what an earlier container left cannot be read');
  }

  function onTrouble({ id }: CollectableSession, error: unknown): void {
    log.error({ err: error, session: id }, 'what a container wrote could not be taken into the ledger');
    const again = setTimeout(() => {
      const session = awake.get(id);
      if (session) void collect(session);
    }, TROUBLE_AGAIN_MS);
    again.unref();
  }

  /** The container is gone, and messages may be waiting for the next one. */
  function resumeAt(session: AwakeSession, at: number): void {
    const waits = [...session.open.values()].some((message) => message.wake);
    if (waits || session.wakeAgain) revisits.at(session.id, at);
  }
}
