import { join } from 'node:path';
import { type AwakeSession, AwakeSessions, type CollectableSession } from './awake/awake-session.ts';
import { createChannelHost } from './channel-host.ts';
import type { Channel, Host } from './channels/channel.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createChatFeed } from './delivery/chat-feed.ts';
import { crashRetryAt } from './delivery/claim-outcome.ts';
import { createCollect } from './delivery/collect-outbound.ts';
import { createSender } from './delivery/send-events.ts';
import { createSendNotice } from './delivery/send-notice.ts';
import type { Engine } from './engines/engine.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import { createIdle } from './idle/idle.ts';
import { createNoteChange } from './idle/note-change.ts';
import { type AcceptedMessage, createAccept } from './inbound/accept-message.ts';
import { createUploads, pruneUploads } from './inbound/uploads.ts';
import { createLedgerReads } from './ledger/ledger-reads.ts';
import { openLedgerForReading } from './ledger/open-database.ts';
import type { OutboxRow } from './ledger/rows.ts';
import type { Logger } from './log.ts';
import { watchOutbound } from './mailbox/watch-outbound.ts';
import { clearLeftovers } from './recovery/clear-leftovers.ts';
import { createFail } from './recovery/fail-session.ts';
import { createFreeLock } from './recovery/free-lock.ts';
import { createHeedPause } from './recovery/heed-pause.ts';
import { createQuarantine } from './recovery/quarantine.ts';
import { createReap } from './recovery/reap-container.ts';
import { resumeSessions } from './recovery/resume-sessions.ts';
import { createRevisits } from './recovery/revisit.ts';
import { ReleaseStack } from './release-stack.ts';
import { createAdmission, type Places } from './wake/admit.ts';
import { containerName } from './wake/container-spec.ts';
import { countMaxAwake } from './wake/max-awake.ts';
import { createRouse } from './wake/rouse-session.ts';
import { createUserOf } from './wake/user-of.ts';
import { createWake } from './wake/wake-session.ts';
import { startWriter } from './writer/writer.ts';

/** How soon a look is tried again that failed for a reason of the host's own, in milliseconds. */
const TROUBLE_AGAIN_MS = 1000;

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
  places(): Places;
  /** Takes nothing new, lets running turns write what they have, stops the containers, releases in reverse order. */
  stop(): Promise<void>;
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
  const writer = await startWriter({
    path: join(dataDir, 'host.db'),
    onStuck: (session, reason) => void freeLock(session, reason),
    onFull: (reason) => log.error({ code: 'E_DISK_FULL' }, `${reason}: what has happened waits for room`),
    onDeath: onFatal,
  });
  releases.add('writer', () => writer.close());
  const reads = createLedgerReads(openLedgerForReading(join(dataDir, 'host.db')));
  releases.add('reads', reads.close);
  const install = await writer.run('installId');
  const containerOf = (session: string) => containerName(install, session);
  const group = (folder: string) => groups.get(folder).group;
  const base = { writer, reads, engine, awake, clock, log, install, dataDir, groupsDir, group, containerOf };

  // Inbound: a channel hands a message over.
  const uploads = createUploads(dataDir, maxFileBytes);
  const onAccepted = (message: AcceptedMessage) => void rouse(message).catch(onFatal);
  const accept = createAccept({ ...base, uploads, maxQueue: config.maxQueue, onAccepted });

  // Wake: the session gets its container, when there is a place for one more.
  const admission = createAdmission({
    ...base,
    most: countMaxAwake(config.maxAwake, groups),
    stop: (session) => stop(session, 'yield').catch(onFatal),
    tell: (session, text) => sendNotice(session, text),
  });
  const wakes = createWake({
    ...base,
    admission,
    baseImage: config.baseImage,
    stopGraceMs,
    maxFileBytes,
    startTimeoutMs: config.startTimeoutMs,
    userOf: createUserOf({ writer, uidBase: config.uidBase }),
    onStarting: watch,
    onAwake(session) {
      // What came due while it woke was not put in, and nobody else asks for it.
      revisits.awaitRetries(session);
      void collect(session);
    },
    onFailed: (session, epoch, error) => fail(session, epoch, error),
  });

  // Delivery: what the container wrote goes to the chat it came from.
  const feed = createChatFeed();
  const byName = new Map(channels.map((channel) => [channel.name, channel]));
  const sendNotice = createSendNotice({ channels: byName, reads });
  const sender = createSender({ channels: byName, writer, clock, log, onEvent: feed.publish });
  const collect = createCollect({
    ...base,
    maxFileBytes,
    onCollected(session, { events, retries }) {
      awake.get(session.id)?.watch?.fruitful();
      // What an earlier host's containers left is delivered with all that is pending, once the channels are open.
      if (awake.get(session.id)) deliver(events);
      for (const { dueAt } of retries) revisits.at(session.id, dueAt);
      admission.look();
    },
    onInvalid,
    onTrouble,
  });

  // Idle: nobody talks any more.
  const wake = (session: string) => void wakes.wake(session);
  const { stop, thaw, ...idle } = createIdle({ ...base, stopGraceMs, collect, wake, onFatal });
  releases.add('idle watch', idle.release);
  releases.add('group changes', groups.onChange(createNoteChange(awake)));
  const rouse = createRouse({ ...base, wake: wakes.wake, thaw, collect });

  // Recovery: what did not go as it should.
  const revisits = createRevisits({ ...base, wake, thaw, onFatal });
  releases.add('revisits', revisits.releaseAll);
  const fail = createFail({ ...base, onEvents: deliver, onRetryAt: revisits.at });
  const reap = createReap({
    ...base,
    settled: wakes.settled,
    collect,
    crashRetryAt,
    onEvents: deliver,
    onAsleep: resumeAt,
    onGivenUp: (session, error) => fail(session.id, session.epoch, error),
  });
  const freeLock = createFreeLock(base);
  const heedPause = createHeedPause(base);
  const quarantine = createQuarantine({
    ...base,
    stopBroken: (session) => stop(session, 'broken'),
    onEvents: deliver,
  });
  releases.add(
    'engine events',
    engine.onExit(
      install,
      (exit) => void reap(exit).catch(onFatal),
      (name) => void heedPause(name).catch(onFatal),
    ),
  );

  // Start: what an earlier host left behind, then the doors open.
  const left = await clearLeftovers(base);
  await resumeSessions({ ...base, left, collect, onDue: revisits.at });
  const host = createChannelHost({
    ...base,
    uploads,
    accept,
    subscribe: feed.subscribe,
    placeOf: admission.placeOf,
    settled: wakes.cancel,
    stopNow: (session) => stop(session, 'deleted'),
    checkGroup: (folder) => void group(folder),
  });
  for (const row of reads.pendingEvents()) sender.deliver(row);
  for (const channel of channels) {
    await channel.start(host);
    releases.add(`channel ${channel.name}`, () => channel.close());
  }
  releases.add('upload pruning', pruneUploads({ uploads, clock, log }));
  writer.setPatience(true);
  log.info({ engine: engine.kind, dataDir, groups: groups.list().map(({ folder }) => folder) }, 'host ready');

  return {
    host,
    places: admission.places,
    async stop() {
      log.info('stopping');
      writer.setPatience(false);
      host.stopAccepting();
      admission.close();
      // Those that are just waking are stopped as soon as they can be.
      await Promise.all([wakes.close().then(stopAll), stopAll()]);
      await sender.close();
      await releases.releaseAll();
      log.info('stopped');
    },
  };

  function onInvalid({ id }: CollectableSession, error: unknown): void {
    const session = awake.get(id);
    if (session) void quarantine(session, error);
    else log.error({ err: error, session: id }, 'what an earlier container left cannot be read');
  }

  function onTrouble({ id }: CollectableSession, error: unknown): void {
    log.error({ err: error, session: id }, 'what a container wrote could not be taken into the ledger');
    const again = setTimeout(() => {
      const session = awake.get(id);
      if (session) void collect(session);
    }, TROUBLE_AGAIN_MS);
    again.unref();
  }

  function deliver(events: OutboxRow[]): void {
    for (const event of events) sender.deliver(event);
  }

  function watch(session: AwakeSession): void {
    const { out, outbound } = session.folders;
    const { lookMs } = config;
    session.watch = watchOutbound({
      out,
      outbound,
      lookMs,
      expectsClaim: () => session.processing.size === 0 && session.open.size > 0,
      onChange: () => void collect(session),
    });
  }

  /** The container is gone, and messages may be waiting for the next one. */
  function resumeAt(session: AwakeSession, at: number): void {
    const waits = [...session.open.values()].some((message) => message.wake);
    if (waits || session.wakeAgain) revisits.at(session.id, at);
  }

  /** One that is stopping already, or whose container has just died, is waited for: its end needs engine and ledger. */
  async function stopAll(): Promise<void> {
    const all = awake.all().filter(({ state }) => state !== 'waking');
    const stops = all.map((session) => stop(session, 'shutdown').then(() => session.over.promise));
    for (const { reason } of (await Promise.allSettled(stops)).filter((end) => end.status === 'rejected'))
      log.error({ err: reason }, 'stopping a session failed');
  }
}
