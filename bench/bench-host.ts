import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel, ChatEvent } from '../src/channels/channel.ts';
import { type Config, loadConfig } from '../src/config.ts';
import { type Daemon, startDaemon } from '../src/daemon.ts';
import type { Engine } from '../src/engines/engine.ts';
import { type GroupRegistry, openGroupRegistry } from '../src/groups/group-registry.ts';
import { lockDataFolder } from '../src/ledger/data-lock.ts';
import { createLog } from '../src/log.ts';

interface Spoken {
  ms: number;
  /** When the message was durable; `performance.now()`. */
  acceptedAt: number;
  event: ChatEvent;
}

/** The daemon as `npm start` runs it, with a channel in this process and a data folder of its own. */
export interface BenchHost {
  daemon: Daemon;
  dataDir: string;
  /** Hands a message to the channel and waits for the reply to be handed back. */
  say(chat: string, text: string, group?: string): Promise<Spoken>;
  close(): Promise<void>;
}

interface Options {
  engine: Engine;
  image: string;
  /** `group.yaml` by folder. */
  groups: Record<string, string>;
  /** Files of a group's workspace, by folder and name. */
  workspaces?: Record<string, Record<string, string>>;
  dataDir?: string;
  /** Further settings. */
  env?: Record<string, string>;
}

/** @throws what `startDaemon` throws. */
export async function openBenchHost(options: Options): Promise<BenchHost> {
  const root = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  const groupsDir = join(root, 'groups');
  for (const [folder, yaml] of Object.entries(options.groups)) {
    await mkdir(join(groupsDir, folder), { recursive: true });
    await writeFile(join(groupsDir, folder, 'group.yaml'), yaml);
    const workspace = join(groupsDir, folder, 'workspace');
    for (const [name, text] of Object.entries(options.workspaces?.[folder] ?? {})) {
      await mkdir(workspace, { recursive: true });
      await writeFile(join(workspace, name), text);
    }
  }
  const dataDir = options.dataDir ?? join(root, 'data');
  const { DOCKER_HOST } = process.env;
  const config: Config = {
    ...loadConfig(
      {
        DOCKER_HOST,
        BERTH_HTTP_PORT: '0',
        BERTH_DATA_DIR: dataDir,
        BERTH_GROUPS_DIR: groupsDir,
        ...options.env,
      },
      root,
    ),
    baseImage: options.image,
    maxAwake: 1000, // what is measured is not to depend on the machine's memory
  };
  const unlock = lockDataFolder(dataDir);
  const log = createLog('warn', 'stderr');
  const groups: GroupRegistry = await openGroupRegistry({ groupsDir, log });
  const waiting = new Map<string, (event: ChatEvent) => void>();
  const early = new Map<string, ChatEvent>();
  const channel: Channel = {
    name: 'bench',
    takesKey: true,
    start: async () => undefined,
    close: async () => undefined,
    send: async (event) => {
      if (event.type === 'failure') throw new Error(`${event.code}: ${event.reason}`);
      for (const id of event.answers) {
        const resolve = waiting.get(id);
        if (resolve) resolve(event);
        else early.set(id, event);
        waiting.delete(id);
      }
    },
  };
  const daemon = await startDaemon({
    config,
    engine: options.engine,
    groups,
    log,
    channels: [channel],
    onFatal: fatal,
  });

  return {
    daemon,
    dataDir,
    async say(chat, text, group = 'echo') {
      const began = performance.now();
      const { message } = await daemon.host.accept({ channel: 'bench', group, chat, text });
      const acceptedAt = performance.now();
      const event =
        early.get(message) ?? (await new Promise<ChatEvent>((resolve) => waiting.set(message, resolve)));
      early.delete(message);
      return { ms: performance.now() - began, acceptedAt, event };
    },
    async close() {
      await daemon.stop();
      await groups.close();
      await unlock();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function fatal(error: Error): never {
  throw error;
}
