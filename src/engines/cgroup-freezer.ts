import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** The kernel's own switch of one container: what an engine turns when it pauses, without the engine's 25 ms around it. */
export interface Freezer {
  /** False also for a container that is gone. */
  isFrozen(): boolean;
  /** @throws when it is not frozen within `limitMs`; it goes on then. */
  freeze(limitMs: number): Promise<void>;
  /** @throws the file system's error when the container is gone. */
  thaw(): void;
}

interface Version {
  root: string;
  /** The file that freezes and thaws, and what is written into it. */
  file: string;
  frozen: string;
  thawed: string;
  /** The file that says whether all processes stand still by now, and how. */
  told: string;
  says: RegExp;
}

/** https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html and cgroup-v2.html, "cgroup.freeze" */
const VERSIONS: Version[] = [
  {
    root: 'freezer',
    file: 'freezer.state',
    frozen: 'FROZEN',
    thawed: 'THAWED',
    told: 'freezer.state',
    says: /^FROZEN$/m,
  },
  { root: '', file: 'cgroup.freeze', frozen: '1', thawed: '0', told: 'cgroup.events', says: /^frozen 1$/m },
];

/** Where Docker puts a container's cgroup, by its drivers `cgroupfs` and `systemd`. */
const places = (id: string) => [`docker/${id}`, `system.slice/docker-${id}.scope`];

/**
 * Finds a container's freezer by the container's id, which no cgroup of another machine bears.
 * @param root where this machine's cgroups are.
 * @returns `undefined` where there is none that this process may use: another machine's engine, another place, no root.
 */
export function findFreezer(id: string, root = '/sys/fs/cgroup'): Freezer | undefined {
  for (const version of VERSIONS) {
    for (const place of places(id)) {
      const folder = join(root, version.root, place);
      if (isWritable(join(folder, version.file))) return createFreezer(folder, version);
    }
  }
  return undefined;
}

function createFreezer(folder: string, { file, frozen, thawed, told, says }: Version): Freezer {
  const thaw = () => writeFileSync(join(folder, file), thawed);
  const isFrozen = () => {
    try {
      return says.test(readFileSync(join(folder, told), 'utf8'));
    } catch {
      return false;
    }
  };
  return {
    isFrozen,
    thaw,
    async freeze(limitMs) {
      const until = performance.now() + limitMs;
      writeFileSync(join(folder, file), frozen);
      while (!isFrozen()) {
        if (performance.now() > until) {
          thaw();
          throw new Error(`its processes did not stand still within ${limitMs} ms`);
        }
        await wait(1);
      }
    },
  };
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
