import { cpSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { bringBaseImage } from './base-image.ts';
import { type FailpointFolder, openFailpointFolder } from './failpoint-folder.ts';
import { beginHistory, type History } from './history.ts';
import { environmentOf } from './host-environment.ts';
import { type HttpChats, openHttpChats } from './http-chats.ts';
import { type OwnEngine, startEngine } from './own-engine.ts';
import { type OwnHost, startOwnHost } from './own-host.ts';
import { GROUPS } from './places.ts';
import { type Offer, openPlatform, type Platform } from './platform.ts';
import { mountDisk, type SmallDisk } from './small-disk.ts';
import { counted, type Tally } from './tally.ts';
import { watchContainers } from './watch-containers.ts';
import { watchLedger } from './watch-ledger.ts';

/** All that a run has: an engine, a host, a platform, a disk and a clock of its own, and what is written down of them. */
export interface Room {
  readonly root: string;
  readonly dataDir: string;
  readonly engine: OwnEngine;
  readonly host: OwnHost;
  readonly platform: Platform;
  readonly http: HttpChats;
  readonly disk: SmallDisk;
  readonly failpoints: FailpointFolder;
  readonly history: History;
  readonly tally: Tally;
  offer(offer: Offer): void;
  writeGroup(folder: string, group: { yaml: string; files: Record<string, string> }): void;
  /** From now on the host's clock is wrong by that. */
  setClock(wrongByMs: number): void;
  /** Ends the host gracefully and what watches it; files and engine stay, for the checks. */
  settle(): Promise<void>;
  /** Ends the rest; `keep`: a copy of the data folder stays beside the logs. */
  dispose(keep: boolean): Promise<void>;
}

const DISK_MEGABYTES = 512;

/** @throws when something of it cannot be had; what there was by then is gone again. */
export async function openRoom(folder: string): Promise<Room> {
  const root = mkdtempSync(join(folder, 'berth-chaos-'));
  const releases: (() => unknown)[] = [];
  const releaseAll = async () => {
    for (const release of releases.splice(0).reverse()) await release();
  };
  try {
    return await furnish(root, releases, releaseAll);
  } catch (error) {
    await releaseAll();
    throw error;
  }
}

async function furnish(
  root: string,
  releases: (() => unknown)[],
  releaseAll: () => Promise<void>,
): Promise<Room> {
  const { history, tally } = counted(beginHistory(join(root, 'history.jsonl')));
  const files = openFiles(root);
  const engine = await startEngine(root, history);
  releases.push(engine.stop);
  const disk = await mountDisk(join(root, 'disk'), DISK_MEGABYTES);
  releases.push(disk.unmount);
  const dataDir = join(disk.path, 'data');
  await bringBaseImage(engine.api, root);
  const platform = await openPlatform(history);
  releases.push(platform.close);
  const failpoints = openFailpointFolder(join(root, 'failpoints'));
  const environment = environmentOf({ ...files, dataDir, platform, engine });
  const port = await freePort();
  const host = startOwnHost({ root, environment, port, token: 'chaos', failpoints, history });
  releases.push(host.stop);
  const http = openHttpChats(host, history);
  const watches = [watchContainers(engine.api, history), watchLedger(join(dataDir, 'host.db'), history)];
  releases.push(http.close, ...watches.map((watch) => watch.close));
  await host.ready();

  return {
    ...{ root, dataDir, engine, host, platform, http, disk, failpoints, history, tally, ...files },
    offer: (offer) => (offer.channel === 'http' ? http.offer(offer) : platform.offer(offer)),
    async settle() {
      await host.stop();
      await http.close();
      history.record({ what: 'end' });
      for (const watch of watches) watch.close();
    },
    async dispose(keep) {
      await host.stop();
      if (keep) cpSync(dataDir, join(root, 'kept-data'), { recursive: true });
      await releaseAll();
    },
  };
}

/** What the host reads besides its data. */
function openFiles(root: string) {
  const groupsDir = join(root, 'groups');
  const clock = join(root, 'clock');
  const files = { groupsDir, clock, writeGroup, setClock };
  setClock(0);
  for (const [name, group] of Object.entries(GROUPS)) writeGroup(name, group);
  return files;

  function writeGroup(name: string, { yaml, files }: { yaml: string; files: Record<string, string> }): void {
    const workspace = join(groupsDir, name, 'workspace');
    mkdirSync(workspace, { recursive: true });
    for (const [file, text] of Object.entries(files))
      writeFileSync(join(workspace, file), text, { mode: 0o755 });
    writeFileSync(join(groupsDir, name, 'group.yaml'), yaml);
  }

  function setClock(wrongByMs: number): void {
    writeFileSync(`${clock}.new`, String(wrongByMs));
    renameSync(`${clock}.new`, clock);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
