import { join } from 'node:path';
import { type AwakeSession, AwakeSessions, type CollectableSession } from './awake/awake-session.ts';
import { watchSession } from './awake/watch-session.ts';
import { createChannelHost } from './channel-host.ts';
import type { Channel, Host } from './channels/channel.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createChatFeed } from './delivery/chat-feed.ts';
import { crashRetryAt } from './delivery/claim-outcome.ts';
import { createCollect } from './delivery/collect-outbound.ts';
import { createSender } from './delivery/send-events.ts';
import type { Engine } from './engines/engine.ts';
import type { GroupRegistry } from './groups/group-registry.ts';
import { watchIdle } from './idle/reset-idle.ts';
import { createStop } from './idle/stop-session.ts';
import { createAccept } from './inbound/accept-message.ts';
import { createUploads, pruneUploads } from './inbound/uploads.ts';
import { createLedgerReads } from './ledger/ledger-reads.ts';
import { openLedgerForReading } from './ledger/open-database.ts';
import type { OutboxRow } from './ledger/rows.ts';
import type { Logger } from './log.ts';
import { createSlowLooks } from './mailbox/slow-looks.ts';
import { clearLeftovers } from './recovery/clear-leftovers.ts';
import { createFail } from './recovery/fail-session.ts';
import { createKillStuck } from './recovery/kill-stuck.ts';
import { createQuarantine } from './recovery/quarantine.ts';
import { createReap } from './recovery/reap-container.ts';
import { resumeSessions } from './recovery/resume-sessions.ts';
import { createRevisits } from './recovery/revisit.ts';
import { createUnreadWatch } from './recovery/watch-unread.ts';
import { ReleaseStack } from './release-stack.ts';
import { containerName } from './wake/container-spec.ts';
import { createUserOf } from './wake/user-of.ts';
import { createWake } from './wake/wake-session.ts';
import { startWriter } from './writer/writer.ts';

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
  const awake = new AwakeSessions();

  // The ledger, and the one thread that writes it.
  const writer = await startWriter({
    path: join(dataDir, 'host.db'),
    onStuck: (session, reason) => void killStuck(session, reason),
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
  const accept = createAccept({ ...base, uploads, maxQueue: config.maxQueue, onAccepted });

  // Wake: the session gets its container.
  const wakes = createWake({
    ...base,
    baseImage: config.baseImage,
    stopGraceMs,
    maxFileBytes,
    startTimeoutMs: config.startTimeoutMs,
    cleared: (session) => quarantine.cleared(session),
    userOf: createUserOf({ writer, uidBase: config.uidBase }),
    onStarting: (session) => watchSession(session, config.lookMs, () => void collect(session)),
    onAwake(session) {
      // What came due while it woke was not put in, and nobody else asks for it.
      revisits.awaitRetries(session);
      void collect(session);
    },
    onFailed: (session, epoch, error) => fail(session, epoch, error),
  });

  // Delivery: what the container wrote goes to the chat it came from.
  const feed = createChatFeed();
  const sender = createSender({
    channels: new Map(channels.map((channel) => [channel.name, channel])),
    writer,
    clock,
    log,
    onEvent: feed.publish,
  });
  const slowLooks = createSlowLooks();
  releases.add('slow looks', slowLooks.close);
  const unread = createUnreadWatch({
    ...base,
    look: (session) => void collect(session),
    wake: (session) => void wakes.wake(session),
    onInvalid,
  });
  const collect = createCollect({
    writer,
    clock,
    maxFileBytes,
    slowLooks,
    ...unread,
    onCollected(session, { events, ended, retries }) {
      if (ended.length > 0) awake.get(session.id)?.watch?.fruitful();
      deliver(events);
      for (const { dueAt } of retries) revisits.at(session.id, dueAt);
    },
    onInvalid,
  });

  // Idle: nobody talks any more.
  const stop = createStop({ ...base, stopGraceMs, collect, onAsleep });
  const stopIdle = watchIdle({
    awake,
    clock,
    onIdle: (session) => void stop(session, 'idle').catch(onFatal),
  });
  releases.add('idle watch', stopIdle);

  // Recovery: what did not go as it should.
  const revisits = createRevisits({ ...base, wake: wakeIfAnybodyWaits, onFatal });
  releases.add('revisits', revisits.releaseAll);
  const fail = createFail({ ...base, onEvents: deliver, onRetryAt: revisits.at });
  const reap = createReap({
    ...base,
    collect,
    crashRetryAt,
    onEvents: deliver,
    onAsleep: resumeAt,
    onGivenUp: (session, error) => fail(session.id, session.epoch, error),
  });
  const killStuck = createKillStuck(base);
  const quarantine = createQuarantine({
    ...base,
    stopBroken: (session) => stop(session, 'broken'),
    onEvents: deliver,
  });
  releases.add(
    'engine events',
    engine.onExit(install, (exit) => void reap(exit).catch(onFatal)),
  );

  // Start: what an earlier host left behind, then the doors open.
  const left = await clearLeftovers(base);
  await resumeSessions({ ...base, left, collect, onDue: revisits.at });
  const host = createChannelHost({
    ...base,
    uploads,
    accept,
    subscribe: feed.subscribe,
    settled: wakes.settled,
    stopNow: (session) => stop(session, 'deleted'),
    checkGroup: (folder) => void group(folder),
  });
  for (const row of reads.pendingEvents()) sender.deliver(row);
  for (const channel of channels) {
    await channel.start(host);
    releases.add(`channel ${channel.name}`, () => channel.close());
  }
  releases.add('upload pruning', pruneUploads({ uploads, clock, log }));
  log.info({ engine: engine.kind, dataDir, groups: groups.list().map(({ folder }) => folder) }, 'host ready');

  return {
    host,
    async stop() {
      log.info('stopping');
      host.stopAccepting();
      // Those that are just waking are stopped as soon as they can be.
      await Promise.all([wakes.close().then(stopAll), stopAll()]);
      await sender.close();
      await releases.releaseAll();
      log.info('stopped');
    },
  };

  function onAccepted(message: { session: string; id: string; wake: boolean; at: number }): void {
    const session = awake.get(message.session);
    if (session) {
      session.open.set(message.id, { id: message.id, attempt: 1, wake: message.wake, dueAt: message.at });
      session.activeAt = clock.monotonic();
      // Its reply is in the ledger already, its claim was not looked for.
      if (session.early.delete(message.id)) void collect(session);
    }
    if (message.wake && session?.state !== 'awake') void wakes.wake(message.session);
  }

  function onInvalid(session: CollectableSession, error: unknown): void {
    const live = awake.get(session.id);
    if (live === session) quarantine.quarantine(live, error);
    else log.error({ err: error, session: session.id }, 'what an earlier container left cannot be read');
  }

  /** An appointment may be older than the end of what it was made for. */
  function wakeIfAnybodyWaits(session: string): void {
    if (reads.session(session)?.queue) void wakes.wake(session);
  }

  function deliver(events: OutboxRow[]): void {
    for (const event of events) sender.deliver(event);
  }

  function onAsleep(session: AwakeSession, again: boolean): void {
    if (again) void wakes.wake(session.id);
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
