import { chmod, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTerminalChannel } from './channels/terminal.ts';
import type { Config } from './config.ts';
import { startDaemon } from './daemon.ts';
import { chooseEngine } from './engines/choose.ts';
import { connectDocker } from './engines/docker-connection.ts';
import { createDockerImages } from './engines/docker-images.ts';
import type { Engine } from './engines/engine.ts';
import { BerthError, describeError } from './errors.ts';
import { openGroupRegistry } from './groups/group-registry.ts';
import { ensureBase } from './images/build-base.ts';
import { bundleRunner } from './images/bundle-runner.ts';
import { lockDataFolder } from './ledger/data-lock.ts';
import { createLog, type Logger } from './log.ts';
import { ReleaseStack } from './release-stack.ts';

const GROUP = 'demo';

/**
 * The demo: a host of its own on a temporary data folder, and a chat at the terminal with the group `demo`.
 * @param words sent as one message, whose reply alone goes to stdout; empty: a chat.
 * @returns the exit code.
 */
export async function runDemo(base: Readonly<Config>, words: string[]): Promise<number> {
  const log = createLog('silent', 'stderr');
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const releases = new ReleaseStack();
  // Until the chat is open nobody looks at a promise: what has been made so far goes, and the process with it.
  let leave = (code: number): void =>
    void releases
      .releaseAll()
      .catch(() => undefined)
      .finally(() => process.exit(code));
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => leave(signal === 'SIGINT' ? 130 : 0));
  try {
    const root = await mkdtemp(join(tmpdir(), 'berth-demo-'));
    releases.add('folder', () => rm(root, { recursive: true, force: true }));
    const config = { ...base, dataDir: join(root, 'data'), groupsDir: join(root, 'groups') };
    await copyGroup(base.groupsDir, config.groupsDir, root);
    releases.add('lock', lockDataFolder(config.dataDir));
    await chmod(config.dataDir, 0o711);
    const engine = await readyEngine(config, warningsTo(log, say), say);
    releases.add('engine', () => engine.close());
    const groups = await openGroupRegistry({ groupsDir: config.groupsDir, log });
    releases.add('groups', () => groups.close());
    const title = groups.get(GROUP).group.name;
    const once = words.length > 0 ? { once: words.join(' ') } : {};
    const { stdin: input, stdout: output, stderr: errorOutput } = process;
    const terminal = createTerminalChannel({
      input,
      output,
      errorOutput,
      group: GROUP,
      chat: 'terminal',
      title,
      ...once,
    });
    const broken = Promise.withResolvers<number>();
    const onFatal = (error: Error) => {
      say(describeError(error));
      broken.resolve(1);
    };
    const daemon = await startDaemon({ config, engine, groups, log, channels: [terminal], onFatal });
    releases.add('daemon', () => daemon.stop());
    const left = Promise.withResolvers<number>();
    leave = left.resolve;
    return await Promise.race([terminal.done, left.promise, broken.promise]);
  } finally {
    await releases.releaseAll();
  }
}

/**
 * The demo works on a copy: under root a group's files are given to a user of its own, and nobody wants that for
 * the files of a checkout. Everybody may pass through the folder, because that user has to.
 */
async function copyGroup(from: string, to: string, root: string): Promise<void> {
  await chmod(root, 0o711);
  await cp(join(from, GROUP), join(to, GROUP), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new BerthError('E_GROUP_UNKNOWN', `there is no group "${GROUP}" in ${from}`, error);
  });
}

/** An engine that can run the demo now: with the base image, or child processes and the reason in one line. */
async function readyEngine(
  config: Readonly<Config>,
  log: Logger,
  say: (line: string) => void,
): Promise<Engine> {
  const choice = { fallback: true, dockerHost: config.dockerHost, bundleRunner };
  const engine = await chooseEngine(config.engine, choice, log);
  if (engine.kind !== 'docker') return engine;
  const connection = connectDocker(config.dockerHost);
  try {
    await engine.check();
    const images = createDockerImages(connection);
    let announced = '';
    const { baseImage: image, baseFrom: from, caBundle, uidBase } = config;
    await ensureBase(
      { image, from, caBundle, uidBase },
      {
        images,
        onProgress({ step, of, text }) {
          const line = `base image, step ${step} of ${of}: ${text}`;
          if (line !== announced) say(line);
          announced = line;
        },
      },
    );
    return engine;
  } catch (error) {
    if (config.engine === 'docker') throw error;
    say(`No base image, so that this goes on without a container: ${describeError(error)}`);
    await engine.close();
    return chooseEngine('process', choice, log);
  } finally {
    connection.close();
  }
}

/** The engine's warnings are for the person at the terminal; the rest of the log is not. */
function warningsTo(log: Logger, say: (line: string) => void): Logger {
  return Object.assign(Object.create(log) as Logger, {
    // As pino takes them: a message alone, or after an object that is for programs.
    warn: (first: unknown, message = String(first)) => say(`Warning: ${message}`),
  });
}
