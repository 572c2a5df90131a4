import { chmod } from 'node:fs/promises';
import type { Channel } from './channels/channel.ts';
import type { Config } from './config.ts';
import { startDaemon } from './daemon.ts';
import { chooseEngine } from './engines/choose.ts';
import type { Engine } from './engines/engine.ts';
import { needsPassage } from './engines/process.ts';
import { asBerthError } from './errors.ts';
import { openGroupRegistry } from './groups/group-registry.ts';
import { httpToken } from './http-token.ts';
import { bundleRunner } from './images/bundle-runner.ts';
import { lockDataFolder } from './ledger/data-lock.ts';
import type { Logger } from './log.ts';
import { serveOperator } from './operator/operator-server.ts';
import { socketPath } from './operator/socket-path.ts';
import { ReleaseStack } from './release-stack.ts';
import { testChannels } from './test-channels.ts';

/**
 * The headless host: runs until SIGTERM or SIGINT, then stops gracefully; on SIGUSR2 (and with `BERTH_ON_STOP=keep`) it leaves its
 * containers at work for the next host.
 * @throws BerthError when it cannot start; everything is released then.
 */
export async function runHost(config: Readonly<Config>, log: Logger): Promise<void> {
  const stopAsked = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const)
    process.on(signal, () => stopAsked.resolve(signal));
  const releases = new ReleaseStack();
  try {
    socketPath(config.dataDir); // too long a path is better said now than with the doors open
    // First of all: nobody without the lock touches the folder.
    releases.add('data folder', lockDataFolder(config.dataDir));
    const { dataDir, groupsDir, dockerHost, runtime } = config;
    const choice = { fallback: false, dockerHost, runtime, bundleRunner };
    const engine = await chooseEngine(config.engine, choice, log);
    releases.add('engine', () => engine.close());
    if (needsPassage(engine)) await chmod(dataDir, 0o711);
    const groups = await openGroupRegistry({ groupsDir, log });
    releases.add('groups', () => groups.close());
    const channels = [...(await httpChannels(config, log)), ...(await testChannels())];
    const daemon = await startDaemon({
      config,
      engine,
      groups,
      log,
      channels,
      onFatal: (error) => fatal(error, log),
    });
    let keep = false;
    releases.add('daemon', () => daemon.stop(keep));
    const { host, outbox, schedules, approvals, images, places, traffic, why, retryNow } = daemon;
    const facts = {
      pid: process.pid,
      startedAt: Date.now(),
      engine,
      dataDir,
      groupsDir,
      groups: () => groups.list(),
      reloadGroups: () => groups.reload(),
      sessions: host.sessions,
      session: host.session,
      outbox,
      schedules,
      approvals,
      images,
      places,
      why,
      retryNow,
      traffic,
    };
    releases.add('operator socket', await serveOperator(facts, log));
    const signal = await stopAsked.promise;
    keep = keepsContainers(signal, config, engine, log);
    log.info({ signal, keep }, 'asked to stop');
  } finally {
    await releases.releaseAll();
  }
}

/** Child processes are the host's own and end with it: they cannot be left. */
function keepsContainers(
  signal: NodeJS.Signals,
  { onStop }: Readonly<Config>,
  engine: Engine,
  log: Logger,
): boolean {
  const wanted = signal === 'SIGUSR2' || onStop === 'keep';
  if (wanted && !engine.contains) log.warn('child processes end with the host: they are stopped');
  return wanted && engine.contains;
}

async function httpChannels(config: Readonly<Config>, log: Logger): Promise<Channel[]> {
  const { httpHost: host, httpPort: port, maxFileBytes } = config;
  if (port === 0) return [];
  // Imported only where it is wanted: it is half of what a start costs.
  const { createHttpChannel } = await import('./channels/http/http-channel.ts');
  const token = await httpToken(config.httpToken, config.dataDir);
  return [createHttpChannel({ host, port, token, maxFileBytes, log })];
}

/** The ledger's thread is gone or a state could not be written: what is durable is safe, and a new process goes on from it. */
function fatal(error: Error, log: Logger): void {
  const { code } = asBerthError(error);
  log.fatal({ err: error, code }, 'the host cannot go on');
  process.exit(1);
}
