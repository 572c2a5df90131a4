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
  readonly groupsDir: string;
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

export async function openRoom(folder: string): Promise<Room> {
  mkdirSync(folder, { recursive: true });
  const root = mkdtempSync(join(folder, 'berth-chaos-'));
  const { history, tally } = counted(beginHistory(join(root, 'history.jsonl')));
  const disk = await mountDisk(join(root, 'disk'), DISK_MEGABYTES);
  const dataDir = join(disk.path, 'data');
  const groupsDir = join(root, 'groups');
  const clock = join(root, 'clock');
  setClock(0);
  for (const [name, group] of Object.entries(GROUPS)) writeGroup(name, group);
  const engine = await startEngine(root, history).catch((error) =>
    disk.unmount().then(() => Promise.reject(error)),
  );
  await bringBaseImage(engine.api, root);
  const platform = await openPlatform(history);
  const failpoints = openFailpointFolder(join(root, 'failpoints'));
  const environment = environmentOf({ dataDir, groupsDir, clock, platform, engine });
  const port = await freePort();
  const host = startOwnHost({ root, environment, port, token: 'chaos', failpoints, history });
  const http = openHttpChats(host, history);
  const watches = [watchContainers(engine.api, history), watchLedger(join(dataDir, 'host.db'), history)];
  await host.ready();

  return {
    ...{ root, dataDir, groupsDir, engine, host, platform, http, disk, failpoints, history, tally },
    offer: (offer) => (offer.channel === 'http' ? http.offer(offer) : platform.offer(offer)),
    writeGroup,
    setClock,
    async settle() {
      await host.stop();
      await http.close();
      platform.close();
      history.record({ what: 'end' });
      for (const watch of watches) watch.close();
    },
    async dispose(keep) {
      await host.stop();
      platform.close();
      if (keep) cpSync(dataDir, join(root, 'kept-data'), { recursive: true });
      await disk.unmount();
      await engine.stop();
    },
  };

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
