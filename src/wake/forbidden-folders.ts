import { fileURLToPath } from 'node:url';
import type { Config } from '../config.ts';
import { engineSockets } from '../engines/docker-address.ts';
import type { MountContext } from './judge-mount.ts';

/** Where Berth itself lies. */
export const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** What no group may mount, whatever the operator's list says: Berth's own, and the way to the engine. */
export function forbiddenFolders({
  dataDir,
  groupsDir,
  dockerHost,
}: Pick<Config, 'dataDir' | 'groupsDir' | 'dockerHost'>): MountContext['forbidden'] {
  return [
    { path: dataDir, what: "Berth's data folder" },
    { path: groupsDir, what: "Berth's groups folder" },
    { path: checkout, what: 'where Berth itself lies' },
    ...engineSockets(dockerHost).map((path) => ({ path, what: 'the socket of a container engine' })),
  ];
}
