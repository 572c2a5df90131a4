import type { AwakeSession, AwakeSessions, CollectableSession } from './awake/awake-session.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import { crashRetryAt } from './delivery/claim-outcome.ts';
import type { Engine } from './engines/engine.ts';
import type { AwaitedImage } from './groups/awaited-image.ts';
import type { LedgerReads } from './ledger/ledger-reads.ts';
import type { OutboxRow } from './ledger/rows.ts';
import type { Logger } from './log.ts';
import { type AdoptDependencies, adoptSessions } from './recovery/adopt-sessions.ts';
import { createBury } from './recovery/bury-session.ts';
import { createFail } from './recovery/fail-session.ts';
import { createFailedLook } from './recovery/failed-look.ts';
import { createFreeLock } from './recovery/free-lock.ts';
import { gatherWhy } from './recovery/gather-why.ts';
import { createHeedPause } from './recovery/heed-pause.ts';
import { createHold } from './recovery/hold-failed.ts';
import { createNoteNoRoom } from './recovery/note-no-room.ts';
import { createQuarantine } from './recovery/quarantine.ts';
import { createReap } from './recovery/reap-container.ts';
import { createStrays } from './recovery/remove-strays.ts';
import { createReport } from './recovery/report-death.ts';
import { resumeSessions } from './recovery/resume-sessions.ts';
import { createRetire } from './recovery/retire-session.ts';
import { createRevisits } from './recovery/revisit.ts';
import { sweepFolders } from './recovery/sweep-folders.ts';
import { createUnseen } from './recovery/take-left.ts';
import { watchClock } from './recovery/watch-clock.ts';
import { watchDisk } from './recovery/watch-disk.ts';
import { watchHealth } from './recovery/watch-health.ts';
import { createUnreadWatch } from './recovery/watch-unread.ts';
import type { ReleaseStack } from './release-stack.ts';
import type { Writer } from './writer/writer.ts';

interface Dependencies extends Pick<AdoptDependencies, 'plan' | 'images' | 'slowLooks'> {
  config: Readonly<Config>;
  writer: Writer;
  reads: LedgerReads;
  engine: Engine;
  awake: AwakeSessions;
  clock: Clock;
  log: Logger;
  install: string;
  dataDir: string;
  groupsDir: string;
  releases: ReleaseStack;
  /** @throws E_GROUP_UNKNOWN, E_GROUP_CONFIG. */
  group(folder: string): unknown;
  containerOf(session: string): string;
  placeOf(session: string): number | null;
  wakes: {
    wake(session: string): Promise<void>;
    settled(session: string): Promise<void>;
    awaitedImage(session: string): AwaitedImage | null;
  };
  watch(session: AwakeSession): void;
  /** It was adopted: what the host does for its container beside its files. */
  reopen(session: AwakeSession): void;
  collect(session: CollectableSession): Promise<boolean>;
  stop(session: AwakeSession, reason: 'broken' | 'retired'): Promise<void>;
  thaw(session: AwakeSession): Promise<void>;
  deliver(events: OutboxRow[]): void;
  /** The clock was set back. */
  onTurnedBack(): void;
  onFatal(error: Error): void;
}

/**
 * What is done when something does not go as it should: starts that fail, containers that die or hang, files that break the
 * contract; and what an earlier host left behind.
 */
export function wireRecovery(base: Dependencies) {
  const { config, engine, awake, clock, writer, wakes, onFatal, releases } = base;
  const { health: periods, restarts, turnRetries } = config;
  const { awaitedImage } = wakes;
  const retryAt = (attempt: number, now: number) => crashRetryAt(attempt, now, turnRetries);
  const revisits = createRevisits({ ...base, wake: (session) => void wake(session).catch(onFatal) });
  releases.add('revisits', revisits.releaseAll);
  const shared = { ...base, restarts, onEvents: base.deliver, onRetryAt: revisits.at, crashRetryAt: retryAt };
  const strays = createStrays(base);
  releases.add('strays', strays.release);
  const unseen = createUnseen(shared);
  const deps = { ...shared, report: createReport(shared), strays };
  const fail = createFail(deps);
  const isHeld = createHold(deps);
  const onGivenUp: Parameters<typeof createBury>[0]['onGivenUp'] = ({ id, epoch }, error) =>
    fail(id, epoch, error);
  const bury = createBury({ ...deps, onResume: revisits.at, onGivenUp, onUnseen: unseen.note });
  const freeLock = createFreeLock(deps);
  const retire = createRetire(deps);
  const { quarantine, cleared } = createQuarantine({
    ...deps,
    settled: wakes.settled,
    stopBroken: (session) => base.stop(session, 'broken'),
  });
  const failedLook = createFailedLook({ ...deps, quarantine });
  const wakeSoon = (session: string) => void wake(session).catch(onFatal);
  const unread = createUnreadWatch({ ...deps, wake: wakeSoon, onInvalid: failedLook.onInvalid });
  const health = watchHealth({ ...deps, health: periods, bury });
  releases.add('health', health.release);
  releases.add('disk watch', watchDisk({ ...deps, bury }));

  return {
    revisits,
    fail,
    freeLock,
    wake,
    cleared: makeWay,
    onNotStopped,
    noteNoRoom: createNoteNoRoom(deps),
    ...failedLook,
    ...unread,
    retireIfDone: retire.ifDone,
    why: (session: string) =>
      gatherWhy({ ...deps, host: { ...deps, awaitedImage, health: periods, healthOf: health.of } }, session),
    retryNow,
    heedClock,
    takeOver,
  };

  /** Resolves when nothing of the session is in the way of its next container. @throws what the engine says. */
  async function makeWay(session: string): Promise<void> {
    await strays.gone(session);
    await cleared(session);
    await unseen.settle(session);
  }

  /** Its container is to be gone before the next one starts, and what it was at meanwhile known. */
  function onNotStopped({ id, container }: AwakeSession): void {
    unseen.note(id, 'The container was to be stopped, and died while it worked on this', Promise.resolve());
    void strays.remove(container, id);
  }

  /** At the host's start, before anything asks what is due, and from then on. */
  async function heedClock(): Promise<void> {
    const onTurnedBack = (byMs: number) => {
      revisits.turnBack(byMs);
      base.onTurnedBack();
    };
    releases.add('clock watch', await watchClock({ ...deps, onTurnedBack }));
  }

  /** Starts the session's container unless it has one, or is left alone for a while. */
  function wake(session: string): Promise<void> {
    return isHeld(session) ? Promise.resolve() : wakes.wake(session);
  }

  /** At the host's start: takes over what an earlier one left, sees to those who wait, and from then on heeds the engine. */
  async function takeOver(): Promise<void> {
    const onAdopting = (session: AwakeSession) => {
      base.watch(session);
      base.reopen(session);
    };
    const onAdopted = { onAdopting, retire: retire.now, onStuck: freeLock };
    const [found] = await Promise.all([engine.list(deps.install), sweepFolders(deps)]);
    const outcome = await adoptSessions({ ...deps, ...onAdopted }, found);
    for (const session of awake.all()) revisits.awaitRetries(session);
    const left = await writer.run('recover', { now: clock.now(), adopted: outcome.adopted });
    await outcome.open();
    await resumeSessions({ ...deps, left, found: outcome.found, onDue: revisits.at });
    const reap = createReap({ ...deps, bury, settled: wakes.settled });
    const heedPause = createHeedPause(deps);
    const release = engine.onExit(
      deps.install,
      (exit) => void reap(exit).catch(onFatal),
      (name) => void heedPause(name).catch(onFatal),
    );
    releases.add('engine events', release);
  }

  /** By the operator's wish: what waits in the session is tried at once. @returns how many messages wait. */
  async function retryNow(session: string): Promise<number> {
    const now = clock.now();
    const waiting = await writer.run('retryNow', { session, now });
    const open = awake.get(session)?.open ?? new Map();
    for (const [id, message] of open) open.set(id, { ...message, dueAt: Math.min(message.dueAt, now) });
    if (waiting > 0) revisits.at(session, now);
    return waiting;
  }
}
