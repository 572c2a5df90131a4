import { type AwakeSession, AwakeSessions } from './awake/awake-session.ts';
import { watchSession } from './awake/watch-session.ts';
import { createChannelHost } from './channel-host.ts';
import type { Channel, Host } from './channels/channel.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createOutboxDoor, type OutboxDoor } from './delivery/order-outbox.ts';
import type { Engine } from './engines/engine.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import { createEndAll } from './idle/end-all.ts';
import type { GroupImages } from './images/group-images.ts';
import { createAccept } from './inbound/accept-message.ts';
import { createUploads, pruneUploads } from './inbound/uploads.ts';
import type { ApprovalsDoor } from './ledger/approvals.ts';
import type { OutboxRow } from './ledger/rows.ts';
import type { SchedulesDoor } from './ledger/schedule-reads.ts';
import type { Logger } from './log.ts';
import { openDiskQuota } from './mailbox/disk-quota.ts';
import type { TrafficLine } from './network/traffic-book.ts';
import { openRecords } from './open-records.ts';
import type { Why } from './recovery/explain-wait.ts';
import { keepPruning } from './recovery/prune-history.ts';
import { checkRoom } from './recovery/watch-disk.ts';
import { ReleaseStack } from './release-stack.ts';
import { createAdmission, type Places } from './wake/admit.ts';
import { containerName } from './wake/container-spec.ts';
import { forbiddenFolders } from './wake/forbidden-folders.ts';
import { countMaxAwake } from './wake/max-awake.ts';
import { createPlan } from './wake/plan-container.ts';
import { createRouse } from './wake/rouse-session.ts';
import { createUserOf } from './wake/user-of.ts';
import { createWake } from './wake/wake-session.ts';
import { wireCredentials } from './wire-credentials.ts';
import { wireDelivery } from './wire-delivery.ts';
import { wireIdle } from './wire-idle.ts';
import { wireImages } from './wire-images.ts';
import { wireNetwork } from './wire-network.ts';
import { wireRecovery } from './wire-recovery.ts';
import { wireSchedules } from './wire-schedules.ts';

export interface DaemonOptions {
  config: Readonly<Config>;
  engine: Engine;
  groups: GroupRegistry;
  log: Logger;
  channels: Channel[];
  /** Something broke that the host cannot go on without. */
  onFatal(error: Error): void;
}

export interface Daemon {
  host: Host;
  images: GroupImages;
  outbox: OutboxDoor;
  schedules: SchedulesDoor;
  approvals: ApprovalsDoor;
  places(): Places;
  /** Who of a group went where since the host's start, the newest first. */
  traffic(group: string): TrafficLine[];
  /** Why there is no reply in a session. @throws E_SESSION_UNKNOWN. */
  why(session: string): Promise<Why>;
  /** What waits in a session is tried at once. @returns how many messages wait. */
  retryNow(session: string): Promise<number>;
  /**
   * Takes nothing new, lets running turns write what they have, stops the containers, releases in reverse order.
   * @param keep leave the containers at work, for the next host to adopt.
   */
  stop(keep?: boolean): Promise<void>;
}

/**
 * Wires the stages of a message's way, in the order of the way, and starts them. The caller holds the data folder's lock.
 * @throws BerthError: E_LEDGER, E_ENGINE_UNREACHABLE, or what a channel's start throws.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const releases = new ReleaseStack();
  try {
    return await wire(options, releases);
  } catch (error) {
    await releases.releaseAll().catch(() => undefined);
    throw error;
  }
}

async function wire(
  { config, engine, groups, log, channels, onFatal }: DaemonOptions,
  releases: ReleaseStack,
): Promise<Daemon> {
  const clock = systemClock;
  const { dataDir, groupsDir, stopGraceMs, maxFileBytes } = config;
  const awake = new AwakeSessions(() => admission.look());

  // The ledger, and the one thread that writes it.
  const onStuck = (session: string, reason: string, noRoom: boolean) =>
    void (noRoom ? recovery.noteNoRoom : recovery.freeLock)(session, reason);
  const { writer, reads, install } = await openRecords({ dataDir, log, releases, onStuck, onFatal });
  const containerOf = (session: string) => containerName(install, session);
  const group = (folder: string) => groups.get(folder).group;
  const base = { writer, reads, engine, awake, clock, log, install, dataDir, groupsDir, group, containerOf };
  const keyless = channels.filter(({ takesKey }) => !takesKey).map(({ name }) => name);

  // Inbound: a channel hands a message over.
  const uploads = createUploads(dataDir, maxFileBytes);
  const accept = createAccept({
    ...base,
    uploads,
    maxQueue: config.maxQueue,
    keyless,
    onCommand({ session, events, stopped }) {
      for (const message of stopped) awake.forget(session, message);
      deliver(events);
    },
    onAccepted: (message) => void rouse(message).catch(onFatal),
  });

  // Images: what a group's containers start from.
  const images = wireImages({ ...base, config, groups, releases });

  // Network: the one way out of containers that have no network of their own. Credentials: where they get access from.
  const { credentials, approvals } = wireCredentials({ ...base, config, groups, releases });
  const { gatewayOf, accessFor, problemOf } = credentials;
  const { openings, traffic, closeWithIt, reopen } = wireNetwork({
    ...{ ...base, config, groups, gatewayOf, releases },
  });

  // Wake: the session gets its container, when there is a place for one more.
  const admission = createAdmission({
    ...base,
    most: countMaxAwake(config.maxAwake, groups),
    stop: (session) => stop(session, 'yield').catch(onFatal),
    tell: (session, text) => sendNotice(session, text),
  });
  const plan = createPlan({
    ...{ ...base, ...openings, stopGraceMs, maxFileBytes, runtime: config.runtime, accessFor },
    forbidden: forbiddenFolders(config),
    quota: await openDiskQuota(dataDir, log),
    userOf: createUserOf({ writer, uidBase: config.uidBase }),
  });
  const watch = (session: AwakeSession) => {
    watchSession(session, config.lookMs, () => void collect(session), drafts.note);
    closeWithIt(session);
  };
  const wakes = createWake({
    ...{ ...base, admission, images, plan, startTimeoutMs: config.startTimeoutMs },
    cleared: (session) => recovery.cleared(session),
    checkRoom: (group, folders) => checkRoom(groupsDir, group, folders),
    tell: (session, text) => sendNotice(session, text),
    onStarting: watch,
    onAwake(session) {
      // What came due while it woke was not put in, and nobody else asks for it.
      recovery.revisits.awaitRetries(session);
      void collect(session);
    },
    onFailed: (...failure) => recovery.fail(...failure),
  });

  // Delivery: what the container wrote goes to the chat it came from.
  const { drafts, feed, sender, sendNotice, collect, slowLooks } = wireDelivery({
    ...{ ...base, config, channels, releases, keyless },
    judge: (session, row) => schedules.judge(session, row),
    onCollected(session, { events, ended, retries, answers }) {
      if (ended.length > 0) awake.get(session.id)?.watch?.fruitful();
      deliver(events);
      for (const { dueAt } of retries) recovery.revisits.at(session.id, dueAt);
      recovery.retireIfDone(awake.get(session.id));
      if (answers.length > 0) schedules.look();
      admission.look();
    },
    onRead: (session) => recovery.onRead(session),
    onUnread: (session, why) => recovery.onUnread(session, why),
    onInvalid: (session, error) => recovery.onInvalid(session, error),
    onTrouble: (session, error) => recovery.onTrouble(session, error),
  });

  // Idle: nobody talks any more.
  const onAsleep = ({ id }: AwakeSession, again: boolean) => void (again && recovery.wake(id));
  const onNotStopped = (session: AwakeSession) => recovery.onNotStopped(session);
  const idle = { groups, stopGraceMs, collect, onNotStopped, onAsleep };
  const { stop, thaw } = wireIdle({ ...base, ...idle, onFatal, releases });
  const { stopAll, leaveAll, sweepDead } = createEndAll({ ...base, stop });
  const rouse = createRouse({ ...base, wake: (session) => recovery.wake(session), thaw, collect });
  const schedules = wireSchedules({ ...base, rouse, onFatal, releases });

  // Recovery: what did not go as it should.
  const recovery = wireRecovery({
    ...{ ...base, config, images, wakes, collect, watch, stop, thaw, deliver, onFatal, releases },
    ...{ plan: (session) => plan(session, true), placeOf: admission.placeOf, slowLooks, reopen },
    onTurnedBack: schedules.turnedBack,
  });

  // Doors: what channels can ask of all this.
  const host = createChannelHost({
    ...{ ...base, uploads, accept },
    subscribe: feed.subscribe,
    followDrafts: drafts.subscribe,
    placeOf: admission.placeOf,
    settled: wakes.cancel,
    imageProblem: (folder) => images.standing(folder).problem ?? null,
    credentialsProblem: problemOf,
    stopNow: (session) => stop(session, 'deleted'),
    forgetChat: sender.forgetChat,
    revisit: (session) => recovery.revisits.at(session, clock.now()),
    checkGroup: (folder) => void group(folder),
  });

  // Start: what an earlier host left behind, then the doors open.
  // What it had in hand to send comes before what is collected from now on, which was never begun.
  await recovery.heedClock();
  await sender.resume();
  await Promise.all([recovery.takeOver(), ...channels.map((channel) => channel.prepare?.(host))]);
  for (const channel of channels) {
    await channel.start(host);
    releases.add(`channel ${channel.name}`, () => channel.close());
  }
  images.start();
  sender.open();
  schedules.look();
  releases.add('upload pruning', pruneUploads({ uploads, clock, log }));
  releases.add('pruning', keepPruning({ ...base, keepMs: config.keepMs }));
  writer.setPatience(true);
  log.info({ engine: engine.kind, dataDir, groups: groups.list().map(({ folder }) => folder) }, 'host ready');

  return {
    ...{ host, images, traffic, approvals },
    outbox: createOutboxDoor({ ...base, sender }),
    schedules: { list: reads.schedules, cancel: (ids) => writer.run('cancelSchedules', { ids }) },
    places: admission.places,
    ...{ why: recovery.why, retryNow: recovery.retryNow },
    async stop(keep = false) {
      log.info({ keep }, 'stopping');
      writer.setPatience(false);
      host.stopAccepting();
      admission.close();
      images.giveUp();
      // Those that are just waking are stopped as soon as they can be.
      if (keep) await wakes.close().then(leaveAll);
      else await Promise.all([wakes.close().then(stopAll), stopAll()]).then(sweepDead);
      // What could not be stopped, for want of an engine or of room in the ledger, is left to the next host.
      for (const session of awake.all()) session.watch?.release();
      await sender.close();
      await releases.releaseAll();
      log.info('stopped');
    },
  };

  function deliver(events: OutboxRow[]): void {
    for (const event of events) sender.deliver(event);
  }
}
