import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { BlockList, type Socket } from 'node:net';
import { join } from 'node:path';
import { FORWARDER } from '../../contract/way-out.ts';
import { BerthError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createGroupProxy, type GroupProxy } from './group-proxy.ts';
import { type LimitConnections, limitConnections } from './limit-connections.ts';
import { limitLookups } from './limit-lookups.ts';
import type { ResolveName } from './resolve-name.ts';
import type { Target } from './target.ts';
import type { TrafficBook } from './traffic-book.ts';
import type { Verdict } from './verdict.ts';

interface Dependencies {
  dataDir: string;
  resolve: ResolveName;
  book: TrafficBook;
  /** Whether a group may go there, as its `group.yaml` is now. */
  judge(group: string, target: Target): Verdict;
  log: Logger;
}

/** The sockets by which containers without a network reach the host's proxy: one per group. */
export interface WaysOut {
  /**
   * The folder with the group's socket, on which its proxy listens. `owner` alone may connect to it.
   * @throws E_DATA_DIR when the socket's path would be too long for the system.
   */
  open(group: string, owner: { uid: number; gid: number } | null): Promise<string>;
  /**
   * The same at the gateway of a container's own network, for that container alone: the others reach this address as well.
   * @throws E_WAY_OUT when this machine cannot listen there.
   */
  openAt(container: string, group: string, network: { gateway: string; subnet: string }): Promise<void>;
  /** The container is gone. */
  closeAt(container: string): Promise<void>;
  /** The group was edited: what it may no longer do ends now. */
  recheck(group: string): void;
  close(): Promise<void>;
}

const SOCKET = 'proxy.sock';
/** What every system takes as the address of a socket, in bytes. */
const LONGEST_PATH = 103;

export function createWaysOut({ dataDir, resolve, book, judge, log }: Dependencies): WaysOut {
  const open = new Map<string, Promise<{ folder: string; proxy: GroupProxy }>>();
  const atGateways = new Map<string, { group: string; proxy: GroupProxy }>();
  /** What all proxies of a group have together. */
  const bounds = new Map<string, { resolve: ResolveName; limit: LimitConnections }>();
  return {
    async open(group, owner) {
      const known = open.get(group) ?? listen(group, owner);
      open.set(group, known);
      try {
        return (await known).folder;
      } catch (error) {
        open.delete(group); // the next wake tries again
        throw error;
      }
    },
    async openAt(container, group, { gateway, subnet }) {
      await closeAt(container);
      const proxy = proxyOf(group);
      admitOnly(proxy, subnet);
      try {
        await listening(proxy, { host: gateway, port: FORWARDER.port });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const words = `this machine cannot listen at ${gateway}:${FORWARDER.port}, where the network of ${container} ends (${code})`;
        throw new BerthError('E_WAY_OUT', words, error);
      }
      atGateways.set(container, { group, proxy });
    },
    closeAt,
    recheck(group) {
      const cut = ({ proxy }: { proxy: GroupProxy }) => proxy.recheck();
      open.get(group)?.then(cut, () => undefined);
      for (const one of atGateways.values()) if (one.group === group) cut(one);
    },
    async close() {
      const all = await Promise.allSettled(open.values());
      await Promise.all(all.map((one) => one.status === 'fulfilled' && one.value.proxy.close()));
      await Promise.all([...atGateways.keys()].map(closeAt));
      // The folders stay: a container that is left to the next host has one of them mounted.
    },
  };

  async function listen(
    group: string,
    owner: { uid: number; gid: number } | null,
  ): Promise<{ folder: string; proxy: GroupProxy }> {
    // A hash, because the name of a group may be longer than the address of a socket.
    const folder = join(dataDir, 'net', createHash('sha256').update(group).digest('hex').slice(0, 8));
    const path = join(folder, SOCKET);
    const bytes = Buffer.byteLength(path);
    if (bytes > LONGEST_PATH) {
      const text = `the data folder ${dataDir} has too long a path: the socket of a group's network would have ${bytes} bytes, ${LONGEST_PATH} are allowed`;
      throw new BerthError('E_DATA_DIR', text);
    }
    await mkdir(folder, { recursive: true, mode: 0o755 });
    // The data folder's lock is ours: a socket that lies there is a dead host's.
    await rm(path, { force: true });
    const proxy = proxyOf(group);
    await listening(proxy, { path });
    // Between the two nobody can come in: the folders above are closed to others.
    if (owner) await chown(path, owner.uid, owner.gid);
    await chmod(path, 0o600);
    return { folder, proxy };
  }

  function proxyOf(group: string): GroupProxy {
    const bound = bounds.get(group) ?? { resolve: limitLookups(resolve), limit: limitConnections() };
    bounds.set(group, bound);
    const report = (error: unknown) => log.error({ err: error, group }, 'network: the proxy has a fault');
    return createGroupProxy({
      ...bound,
      judge: (target) => judge(group, target),
      note: (passage) => book.note(group, passage),
      report,
    });
  }

  async function closeAt(container: string): Promise<void> {
    const known = atGateways.get(container);
    atGateways.delete(container);
    await known?.proxy.close();
  }
}

/** A container cannot send from another's address: its kernel sends for it, and it has no right to raw sockets. */
function admitOnly({ server }: GroupProxy, subnet: string): void {
  const [network = '', bits] = subnet.split('/');
  const own = new BlockList();
  own.addSubnet(network, Number(bits));
  server.prependListener('connection', (socket: Socket) => {
    if (!own.check(socket.remoteAddress ?? '')) socket.destroy();
  });
}

function listening(
  { server }: GroupProxy,
  where: { path: string } | { host: string; port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
