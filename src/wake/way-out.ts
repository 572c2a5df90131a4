import { WAY_OUT_DIR, WAY_OUT_ENVIRONMENT, WAY_OUT_OVER_NETWORK } from '../../contract/way-out.ts';
import type { Mount } from '../engines/engine.ts';
import type { Group } from '../groups/group.ts';

/** What a container is given of a way out: nothing where it has a network of its own, or is to have none. */
export interface WayOut {
  mounts: Mount[];
  environment: Readonly<Record<string, string>>;
  /** Of a container that has no other: `way-out` where the proxy is reached over a network. */
  network: 'none' | 'way-out';
}

/** Over what containers reach the host's proxy. */
export type WayOutKind = 'socket' | 'network';

/** Whether the group's containers get a way out through the host's proxy. */
export function needsWayOut({ network, credentials }: Pick<Group, 'network' | 'credentials'>): boolean {
  return typeof network === 'object' || (typeof credentials === 'object' && 'onecli' in credentials);
}

/** @param folder of the host, with the group's socket; `undefined`: there is no way out. */
export function wayOut(folder: string | undefined): WayOut {
  if (folder === undefined) return { mounts: [], environment: {}, network: 'none' };
  const mounts = [{ source: folder, target: WAY_OUT_DIR, readonly: true }];
  return { mounts, environment: WAY_OUT_ENVIRONMENT, network: 'none' };
}

/** The one that stands in where sockets cannot be carried into containers. */
export const wayOutOverNetwork: WayOut = {
  mounts: [],
  environment: WAY_OUT_OVER_NETWORK,
  network: 'way-out',
};
